/**
 * A process that works on a content store until it is killed: `node workload.process.ts <root> <name> <alone|shared>`. Shared, it works with the blobs and
 * references of everybody.
 */
import { writeSync } from 'node:fs'
import { startStore } from '../support/content.ts'
import { work } from './work.ts'

const [root = '', name = '', mode = 'alone'] = process.argv.slice(2)
const say = (line: string) => void writeSync(1, `${line}\n`)

say('starting')
const store = await startStore({ root, node: name, syncDelayMs: 5 })
say('working')
await Promise.all([0, 1, 2].map((worker) => work(store, { name, owner: mode === 'shared' ? 'everybody' : `worker ${worker}`, say })))
