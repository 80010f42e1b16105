/** Writes `ops/docs/machines.md`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { machinesPage } from './machines-page.ts'

await writeFile(join(import.meta.dirname, 'machines.md'), await machinesPage())
