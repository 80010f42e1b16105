import { expect, test } from 'vitest'
import { openLending } from '../../../actors/ingest/lending.ts'
import type { Ingest } from '../../../actors/ingest/life.ts'
import { openViews, type ViewComponents } from '../../../actors/ingest/views.ts'
import { openBlobs } from '../../../runtime/blobs.ts'
import { digestOf } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

test('an ingest that is committed while it is looked at is seen as gone, never as an empty one', async () => {
  await using directory = await tempDirectory()
  const blobs = await openBlobs(directory.path)
  const digest = digestOf('it')
  const states = ['verifying', 'committed']
  const record = () => ({ id: '', value: states.length > 1 ? states.shift() : states[0], context: { reference: digest, epoch: 'e' } })
  const records = { get: record, list: () => [] } as unknown as ViewComponents['records']
  const tables = { table: () => ({ get: () => undefined }) } as unknown as ViewComponents['tables']
  const holding = { freed: async (ingest: Ingest) => ingest }
  const views = openViews({ tables, records, blobs, lending: openLending(), holding, now: () => '' })
  expect(await views.look(digest)).toBeUndefined()
})
