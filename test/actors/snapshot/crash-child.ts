/**
 * A node that dies in the middle of making snapshots: run as a process of its own, with a root, a driver, and when to die: `before:3` is just before its third
 * write to the tables once there is a layer `base`, `after:3` just after it. Ends with code 0 when it came through alive.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSnapshot } from '../../../actors/snapshot/actor.ts'
import type { snapshot } from '../../../messages/snapshot.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Home } from '../../../runtime/home.ts'
import { openTables } from '../../../runtime/tables.ts'

const [root = '', driver = '', when = ''] = process.argv.slice(2)
const [side, number] = when.split(':')
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

await using bus = memoryBus()
await using tables = await openTables(join(root, 'meta'))
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
await using _actor = await startSnapshot({
  node: 'n1',
  root,
  bus,
  tables: watched,
  outbox,
  log: silent,
  settings: { 'snapshot.driver': driver },
})
const ask = client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' })

const base = await ask.prepare({ key: 'to-be-base' })
if (base.target.kind === 'directory') await writeFile(join(base.target.path, 'file'), 'text')
await ask.commit({ key: 'to-be-base', name: 'base' })

mortal = true
await ask.prepare({ key: 'a', parent: 'base' })
await ask.commit({ key: 'a', name: 'one' })
await ask.prepare({ key: 'b', parent: 'one' })
await ask.remove({ key: 'b' })
