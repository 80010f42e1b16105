import { join } from 'node:path'
import { startSnapshot } from '../../../actors/snapshot/actor.ts'
import type { snapshot } from '../../../messages/snapshot.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Home } from '../../../runtime/home.ts'
import { openTables } from '../../../runtime/tables.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Snapshots on `root` that take this process with them, once it is mortal, at a write to the tables: `before:3` is just before the third from then on, `after:3` just after it. */
export async function startMortal(root: string, { driver, when }: { driver: string; when: string }) {
  await using stack = new AsyncDisposableStack()
  const [side, number] = when.split(':')
  const bus = stack.use(memoryBus())
  const tables = stack.use(await openTables(join(root, 'meta')))
  const outbox: Home['outbox'] = { put: () => {}, empty: async () => {}, [Symbol.asyncDispose]: async () => {} }
  let writes = 0
  let mortal = false
  const dieWhenDue = (now: 'before' | 'after') => {
    if (mortal && now === side && writes === Number(number)) process.kill(process.pid, 'SIGKILL')
  }
  const watched: Home['tables'] = {
    ...tables,
    async transaction(work) {
      if (mortal) writes += 1
      dieWhenDue('before')
      const result = await tables.transaction(work)
      dieWhenDue('after')
      return result
    },
  }
  stack.use(await startSnapshot({ node: 'n1', root, bus, tables: watched, outbox, log: silent, settings: { 'snapshot.driver': driver } }))
  const scope = stack.move()
  return {
    ask: client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' }),
    becomeMortal: () => {
      mortal = true
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
