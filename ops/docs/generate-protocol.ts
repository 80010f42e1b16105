/** Writes `ops/docs/protocol.md`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { protocolPage } from './protocol-page.ts'

await writeFile(join(import.meta.dirname, 'protocol.md'), protocolPage())
