/** A process that dies while it carries out an effect, for tests: before it did anything, or after, when that is not yet written. */
import { appendFileSync } from 'node:fs'
import { records } from '../../../runtime/records/records.ts'
import { openTables } from '../../../runtime/tables.ts'
import { doorRecords, quiet } from './door.ts'

const [directory = '', notes = '', what = ''] = process.argv.slice(2)
const tables = await openTables(directory)
const told = tables.table<unknown>('told')
const outbox = { put: (fact: { entity: string }) => told.put(fact.entity, fact) }
const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('dead')
}
const doors = records(
  { tables, outbox, log: quiet },
  doorRecords([], {
    turnKey: () => {
      if (what === 'before') die()
      appendFileSync(notes, 'turned\n')
      if (what === 'after') die()
      return { type: 'opened' }
    },
    creak: () => {
      if (what === 'next') die()
      return undefined
    },
    unhang: () => die(),
  }),
)
await doors.create('front', { colour: 'red' })
await doors.send('front', { type: what === 'end' ? 'remove' : 'open' })
