/** A thread on the same tables, for tests: counts, or puts once it is let and says so without a message. */
import { parentPort, workerData } from 'node:worker_threads'
import { openTables } from '../../runtime/tables.ts'

const { directory, turn } = workerData as { directory: string; turn?: Int32Array }

{
  await using tables = await openTables(directory)
  const table = tables.table<number>('counted')
  if (turn) {
    parentPort?.postMessage('ready')
    Atomics.wait(turn, 0, 0)
    await tables.transaction(() => table.put('mine', 1))
    Atomics.store(turn, 0, 2)
    Atomics.notify(turn, 0)
  } else {
    for (let n = 0; n < 50; n++) await tables.transaction(() => table.put('all', (table.get('all') ?? 0) + 1))
  }
}
