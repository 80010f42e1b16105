/**
 * A node that dies in the middle of making snapshots: run as a process of its own, with a root, a driver, and when to die: `before:3` is just before its third
 * write to the tables once there is a layer `base`, `after:3` just after it. Ends with code 0 when it came through alive.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startMortal } from './mortal.ts'

const [root = '', driver = '', when = ''] = process.argv.slice(2)
await using mortal = await startMortal(root, { driver, when })
const { ask } = mortal

const base = await ask.prepare({ key: 'to-be-base' })
if (base.target.kind === 'directory') await writeFile(join(base.target.path, 'file'), 'text')
await ask.commit({ key: 'to-be-base', name: 'base' })
const { drivers } = await ask.drivers({})

mortal.becomeMortal()
await ask.prepare({ key: 'a', parent: 'base' })
await ask.commit({ key: 'a', name: 'one' })
await ask.label({ key: 'one', labels: { said: 'yes' } })
await ask.view({ key: 'v', parent: 'one' })
await ask.usage({ key: 'one' })
await ask.remove({ key: 'v' })
if (drivers[0]?.rebase) {
  const { target } = await ask.prepare({ key: 'c' })
  if (target.kind === 'directory') await mkdir(join(target.path, 'implied'))
  await ask.commit({ key: 'c', name: 'two', parent: 'one', implied: ['.', 'implied'] })
  await ask.remove({ key: 'two' })
}
await ask.prepare({ key: 'b', parent: 'one' })
await ask.remove({ key: 'b' })
