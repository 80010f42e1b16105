/** A process that changes things and tells it, as fast as it can, until it is killed: for tests. */

import { durably } from '../../../runtime/bus/durable.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { openOutbox } from '../../../runtime/records/outbox.ts'
import { openTables } from '../../../runtime/tables.ts'
import { quiet } from './door.ts'

const [directory = '', url = '', good = '', bad = ''] = process.argv.slice(2)
const tables = await openTables(directory)
const bus = await connectNats({ url })
const publish = durably(bus)
let left = Number(good)
const failing: typeof publish = async (subject, packet, options) => {
  const isGood = left-- > 0
  if (isGood || bad === 'unanswered') await publish(subject, packet, options)
  if (isGood) return
  process.send?.('failing')
  await new Promise(() => {})
}
const outbox = openOutbox({ tables, name: 'main', node: 'n1', bus, log: quiet, publish: failing })
const counted = tables.table<number>('counted')

for (let turn = 0; ; turn++) {
  const entity = turn % 2 ? 'front' : 'back'
  const change = tables.transaction(() => {
    const n = (counted.get(entity) ?? 0) + 1
    counted.put(entity, n)
    outbox.put({ actor: 'door', fact: 'opened', entity, data: { entity, n } })
    // Now and then the change does not happen, and must not be told.
    if (turn % 5 === 4) throw new Error('undone')
  })
  await change.catch(() => {})
}
