import type { AnyStateMachine } from 'xstate'
import { Failure } from '../../messages/grammar/index.ts'
import type { RecordsInit } from './record.ts'

/** Every action the machine names must be an effect or an announcement, and only one; every one of those an action it names. Fails with internal. */
export function demandNamed<M extends AnyStateMachine>(
  init: Pick<RecordsInit<M>, 'table' | 'machine' | 'effects' | 'announcements'>,
): void {
  const named = Object.entries(init.machine.implementations.actions)
    .filter(([, action]) => !isBuiltIn(action))
    .map(([name]) => name)
  const effects = Object.keys(init.effects)
  const announcements = Object.keys(init.announcements)
  refuse(
    named.filter((name) => !effects.includes(name) && !announcements.includes(name)),
    'is neither an effect nor an announcement',
  )
  refuse(
    effects.filter((name) => announcements.includes(name)),
    'is both an effect and an announcement',
  )
  refuse(
    [...effects, ...announcements].filter((name) => !named.includes(name)),
    'is not an action of the machine',
  )

  function refuse(names: string[], why: string): void {
    if (names.length > 0) throw new Failure('internal', `open records ${init.table}: ${names.join(', ')} ${why}`)
  }
}

/** XState's own (assign, raise, …) know how to resolve themselves. */
const isBuiltIn = (action: unknown): boolean => typeof action === 'function' && 'resolve' in action
