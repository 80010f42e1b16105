/** Tables on a disk that takes nothing, as strace has it: ends well when a transaction is over all the same, and who waits for the disk is told. */
import { strictEqual } from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { isFailure } from '../../messages/grammar/index.ts'
import { openTables } from '../../runtime/tables.ts'

const tables = await openTables(process.argv[2] ?? '')
const table = tables.table<number>('t')
await tables.transaction(() => table.put('a', 1))
strictEqual(table.get('a'), 1)
const told: unknown = await tables.flushed().catch((error: unknown) => error)
strictEqual(isFailure(told), true)
writeSync(1, 'well\n')
// Leaving otherwise, lmdb would have the disk take it after all.
process.kill(process.pid, 'SIGKILL')
