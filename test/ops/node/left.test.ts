import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import { recall } from '../../../runtime/bus/stream.ts'
import { noLog } from '../../../runtime/no-log.ts'
import { openOutbox } from '../../../runtime/records/outbox.ts'
import { openTables } from '../../../runtime/tables.ts'
import { startNode } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

test('what a thread has left that is made no more is told at the next start', async () => {
  await using root = await tempDirectory()
  {
    await using tables = await openTables(join(root.path, 'meta'))
    const publish = async (): Promise<never> => {
      throw new Failure('unavailable', 'publish: not now')
    }
    const bus = { root: 'gantry', onStatus: () => ({ [Symbol.dispose]: () => {} }) }
    await using outbox = openOutbox({ tables, name: 'unpack-99', node: 'n1', bus, log: noLog, publish })
    await tables.transaction(() => outbox.put({ actor: 'unpack', fact: 'applied', entity: 'a', data: { left: true } }))
  }
  await using node = await startNode({ root: root.path, args: ['--only', 'node'] })
  await using bus = await node.connect()
  for await (const { subject, data } of recall(bus, { patterns: ['unpack.applied'], follow: true })) {
    expect({ subject, data }).toEqual({ subject: 'a', data: { left: true } })
    break
  }
})
