/**
 * A node that dies while a snapshot takes the place of another: run as a process of its own, with a root and when to die: `before:3` is just before the third
 * write to the tables from then on, `after:3` just after it. Ends with code 0 when it came through alive.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startMortal } from './mortal.ts'

const [root = '', when = ''] = process.argv.slice(2)
await using mortal = await startMortal(root, { driver: 'overlay', when })
const { ask } = mortal

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

mortal.becomeMortal()
await ask.replace({ key: 'anew', name: 'base' })
