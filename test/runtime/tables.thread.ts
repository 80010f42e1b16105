/** A thread on the same tables, for tests. */
import { parentPort, workerData } from 'node:worker_threads'
import { openTables } from '../../runtime/tables.ts'

{
  await using tables = await openTables(workerData)
  const table = tables.table<number>('counted')
  for (let n = 0; n < 50; n++) await tables.transaction(() => table.put('all', (table.get('all') ?? 0) + 1))
}
parentPort?.postMessage('closed')
