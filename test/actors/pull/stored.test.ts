import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type StoredPull, storedPulls } from '../../../actors/pull/stored.ts'
import { openTables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'

const pull: StoredPull = {
  ticket: 'a',
  reference: 'h.test/r:latest',
  platform: { os: 'linux', architecture: 'amd64' },
  unpack: true,
  state: 'resolving',
  startedAt: '2026-01-01T00:00:00.000Z',
}
const step = { descriptor: { mediaType: 'layer', digest: `sha256:${'1'.repeat(64)}`, size: 1 }, status: 'done' as const, offset: 1 }

test('a pull is kept whole, and looked through without how it went', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(join(directory.path, 'meta'))
  const pulls = storedPulls(tables)
  await tables.transaction(() => pulls.put(pull))
  expect(pulls.get('a')).toEqual({ ...pull, steps: [] })
  await tables.transaction(() => pulls.put({ ...pull, state: 'done' }, [step]))
  expect(pulls.get('a')).toEqual({ ...pull, state: 'done', steps: [step] })
  expect(pulls.all()).toEqual([{ ...pull, state: 'done' }])
})

test('of one that is forgotten nothing is left', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(join(directory.path, 'meta'))
  const pulls = storedPulls(tables)
  await tables.transaction(() => pulls.put(pull, [step]))
  await tables.transaction(() => pulls.remove('a'))
  expect(pulls.get('a')).toBeUndefined()
  expect([...tables.table('pulls.steps').range()]).toEqual([])
})
