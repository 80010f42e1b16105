import { expect, test } from 'vitest'
import { openLending } from '../../../actors/ingest/lending.ts'
import { openViews, type ViewComponents } from '../../../actors/ingest/views.ts'
import { openBlobs } from '../../../runtime/blobs.ts'
import { digestOf } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

test('an ingest that is committed while it is looked at is seen as content, never as an empty one', async () => {
  await using directory = await tempDirectory()
  const blobs = await openBlobs(directory.path)
  const digest = digestOf('it')
  const states = ['verifying', 'committed']
  const record = () => ({ id: '', value: states.length > 1 ? states.shift() : states[0], context: { reference: digest } })
  const records = { get: record, list: () => [] } as unknown as ViewComponents['records']
  const contents = { get: () => ({ digest, size: 2 }) } as unknown as ViewComponents['contents']
  const views = openViews({ records, contents, blobs, lending: openLending() })
  expect(await views.look(digest)).toEqual({ state: 'committed', path: blobs.blob(digest), offset: 2, total: 2 })
})
