import { setup } from 'xstate'
import type { Told } from '../../../runtime/records/outbox.ts'
import type { Effect, RecordsInit } from '../../../runtime/records/records.ts'

export interface DoorContext {
  readonly colour: string
  readonly opened: number
}

export type DoorEvent =
  | { type: 'open'; by?: string }
  | { type: 'opened' }
  | { type: 'failed' }
  | { type: 'close' }
  | { type: 'paint'; colour: string }
  | { type: 'remove' }

/**
 * A door, for tests.
 *
 *     closed ⇄ opening → open → closed;  closed → removed
 */
export const doorMachine = setup({
  types: { context: {} as DoorContext, events: {} as DoorEvent, input: {} as { colour: string } },
  actions: {
    hang: () => {},
    turnKey: (_, _params: { by: string }) => {},
    creak: () => {},
    announceOpen: () => {},
    paint: (_, _params: { colour: string }) => {},
    unhang: () => {},
  },
}).createMachine({
  id: 'door',
  context: ({ input }) => ({ colour: input.colour, opened: 0 }),
  initial: 'closed',
  entry: 'hang',
  states: {
    closed: {
      on: {
        open: { target: 'opening', actions: { type: 'turnKey', params: ({ event }) => ({ by: event.by ?? 'nobody' }) } },
        paint: { actions: { type: 'paint', params: ({ event }) => ({ colour: event.colour }) } },
        remove: 'removed',
      },
    },
    opening: { on: { opened: 'open', failed: 'closed' } },
    open: { entry: ['announceOpen', 'creak'], on: { close: 'closed' } },
    removed: { entry: 'unhang', type: 'final' },
  },
})

export type Door = typeof doorMachine

/** A kind of record whose effects note that they ran; `turnKey` opens the door at once. Any of them can be replaced. */
export function doorRecords(done: string[], effects: Record<string, Effect<Door>> = {}): RecordsInit<Door> {
  const note = (name: string) => () => {
    done.push(name)
    return undefined
  }
  return {
    actor: 'door',
    table: 'door',
    machine: doorMachine,
    effects: {
      hang: note('hang'),
      creak: note('creak'),
      paint: note('paint'),
      unhang: note('unhang'),
      turnKey: (_, { by }) => {
        done.push(`turnKey by ${by}`)
        return { type: 'opened' }
      },
      ...effects,
    },
    announcements: { announceOpen: (record) => ({ fact: 'opened', data: { id: record.id, colour: record.context.colour } }) },
  }
}

/** An outbox that only remembers. */
export function rememberingOutbox(): { told: Told[]; put(told: Told): void } {
  const told: Told[] = []
  return { told, put: (one) => void told.push(one) }
}

/** A log that keeps quiet. */
export const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
