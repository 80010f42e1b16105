/** Another process on the same tables, for tests: does what it is told by its arguments, and says when it is there. */
import { openTables } from '../../runtime/tables.ts'

const [directory = '', what = '', by = ''] = process.argv.slice(2)
const tables = await openTables(directory)
const table = tables.table<number>('counted')

if (what === 'count') {
  for (let n = 0; n < 50; n++) await tables.transaction(() => table.put('all', (table.get('all') ?? 0) + 1))
  await tables[Symbol.asyncDispose]()
}

if (what === 'put') {
  await tables.transaction(() => table.put(by, 1))
  process.send?.('put')
}

if (what === 'die inside') {
  await tables.transaction(() => {
    table.put(by, 1)
    process.kill(process.pid, 'SIGKILL')
  })
}

if (what === 'die after') {
  await tables.transaction(() => table.put(by, 1))
  process.kill(process.pid, 'SIGKILL')
}
