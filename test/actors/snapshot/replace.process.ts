/**
 * A node that dies while a snapshot takes the place of another: run as a process of its own, with a root and when to die: `before:3` is just before the third
 * write to the tables from then on, `after:3` just after it. Ends with code 0 when it came through alive.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSnapshot } from '../../../actors/snapshot/actor.ts'
import type { snapshot } from '../../../messages/snapshot.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Home } from '../../../runtime/home.ts'
import { openTables } from '../../../runtime/tables.ts'

const [root = '', when = ''] = process.argv.slice(2)
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
const settings = { 'snapshot.driver': 'overlay' }
await using _actor = await startSnapshot({ node: 'n1', root, bus, tables: watched, outbox, log: silent, settings })
const ask = client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' })

for (const [key, name, content] of [
  ['to-be-base', 'base', 'damaged'],
  ['anew', undefined, 'sound'],
] as const) {
  const { target } = await ask.prepare({ key })
  if (target.kind === 'directory') await writeFile(join(target.path, 'file'), content)
  if (name !== undefined) await ask.commit({ key, name })
}
await ask.prepare({ key: 'to-be-child', parent: 'base' })
await ask.commit({ key: 'to-be-child', name: 'child' })

mortal = true
await ask.replace({ key: 'anew', name: 'base' })
