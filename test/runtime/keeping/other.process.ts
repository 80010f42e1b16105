/** Another process on the same tables, for tests: does what it is told by its arguments, says when it is there and what came of it. */
import { collect } from '../../../actors/gc/collect.ts'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { openView } from '../../../runtime/keeping/view.ts'
import { openTables } from '../../../runtime/tables.ts'

const [directory = '', what = '', rest = ''] = process.argv.slice(2)
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

/** Collect, and be killed when the owner of so many things was asked; what is asked for is removed just before. */
if (what === 'collect') {
  let asked = 0
  const content = async (key: string) => {
    await tables.transaction(() => {
      keeping.demandUnheld({ kind: 'content', key })
      keeping.gone({ kind: 'content', key })
    })
    if (++asked === Number(rest)) process.kill(process.pid, 'SIGKILL')
  }
  await collect({ tables, owners: { content }, now }, { signal: AbortSignal.timeout(20_000) })
  await tables[Symbol.asyncDispose]()
}

/** Be killed while reading. */
if (what === 'read') {
  const view = await openView(tables, { now })
  process.send?.(view.rows.size)
  setInterval(() => view.rows, 1000)
}
