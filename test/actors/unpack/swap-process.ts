/** Until it is killed, makes `d` in a root now a directory, now a link to somewhere else. */
import { renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { renameExchange } from '../../../runtime/syscalls/index.ts'

const [root = '', outside = ''] = process.argv.slice(2)
const [at, aside] = [join(root, 'd'), join(root, '..', 'aside')]
symlinkSync(outside, aside)
process.stdout.write('swapping\n')
for (;;) {
  try {
    renameExchange(at, aside)
  } catch {
    // it is not there at the moment
    renameSync(aside, at)
    symlinkSync(outside, aside)
  }
}
