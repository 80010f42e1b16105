/** Another process on the same tables, for tests: does what it is told by its arguments, says when it is there and what came of it. */
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { openView } from '../../../runtime/keeping/view.ts'
import { openTables } from '../../../runtime/tables.ts'

const [directory = '', what = ''] = process.argv.slice(2)
const tables = await openTables(directory)
const now = () => new Date().toISOString()
const keeping = openKeeping(tables, { now })

/** Hold each of the things there, `content/0` to `content/99`, until one is gone; then tell which were held. */
if (what === 'hold') {
  const held: string[] = []
  process.send?.('there')
  for (let at = 99; at >= 0; at--) {
    const thing = { kind: 'content', key: String(at) }
    if (await tables.transaction(() => keeping.hold(thing, 'theirs'))) held.push(thing.key)
  }
  process.send?.(held)
  await tables[Symbol.asyncDispose]()
  process.disconnect()
}

/** Be killed while reading. */
if (what === 'read') {
  const view = await openView(tables, { now })
  process.send?.(view.rows.size)
  setInterval(() => view.rows, 1000)
}
