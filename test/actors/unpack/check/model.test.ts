import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { check } from '../../../../actors/unpack/check/check.ts'
import { isFailure } from '../../../../messages/grammar/index.ts'
import { archive, character, directory, fifo, file, link, type Piece, symlink } from '../../../support/layers.ts'
import { ground, isRoot, whole } from '../applying.ts'
import { shown } from '../archives.ts'

/** Few names, so that entries meet, replace, hide and go through each other. */
const part = fc.constantFrom('a', 'b', 'c', 'dir')
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const base = fc.constantFrom('.wh.a', '.wh.dir', '.wh..wh..opq', '.wh..wh.plnk')
const target = fc.oneof(
  path,
  part.map((name) => `/${name}`),
  part.map((name) => `../${name}`),
  fc.constant('.'),
)
const mode = fc.constantFrom(0o644, 0o600, 0o4755, 0o2750, 0)
const attributes = fc.record({ mode, uid: fc.constantFrom(0, 7), gid: fc.constantFrom(0, 8), mtime: fc.integer({ min: 0, max: 2 ** 31 }) })
const withXattrs = fc
  .tuple(attributes, fc.constantFrom({}, { 'SCHILY.xattr.user.x': 'y' }, { 'SCHILY.xattr.user.z': 'y', 'SCHILY.xattr.trusted.t': 'y' }))
  .map(([one, pax]) => ({ ...one, pax }))

const entry: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, fc.string({ maxLength: 9 }), withXattrs).map((of) => file(...of)) },
  { weight: 3, arbitrary: fc.tuple(path, withXattrs).map(([name, of]) => directory(`${name}/`, of)) },
  { weight: 2, arbitrary: fc.tuple(target, path, attributes).map((of) => symlink(...of)) },
  { weight: 2, arbitrary: fc.tuple(path, path).map((of) => link(...of)) },
  { weight: 2, arbitrary: fc.tuple(path, base, attributes).map(([name, last, of]) => file(`${name}/${last}`, '', of)) },
  fc.tuple(base, attributes).map(([name, of]) => file(name, '', of)),
  fc.tuple(path, attributes).map((of) => fifo(...of)),
  fc
    .tuple(path, attributes)
    .map(([name, of]) => file(name, 'x', { ...of, pax: { 'GNU.sparse.size': '5000', 'GNU.sparse.map': '4096,1' } })),
  fc.tuple(path, fc.constantFrom(0, 1), fc.constantFrom(0, 3), attributes).map((of) => character(...of)),
  attributes.map((of) => directory('./', of)),
)

test.runIf(isRoot).each(['overlay', 'remove'] as const)(
  'whatever a layer does, its directory agrees with it, with %s whiteouts',
  async (whiteouts) => {
    let agreed = 0
    await fc.assert(
      fc.asyncProperty(fc.array(entry.map(shown), { maxLength: 14 }), async (entries) => {
        using place = ground()
        const blob = archive(...entries)
        const at = join(place.base, 'layer')
        writeFileSync(at, blob)
        const outcome = await place.apply(blob, { whiteouts }).catch((error: unknown) => {
          // one that cannot be applied has no directory to compare
          if (isFailure(error, 'data_loss', 'failed_precondition', 'invalid_argument')) return undefined
          throw error
        })
        if (!outcome) return
        agreed++
        const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`
        const implied = whiteouts === 'overlay' ? { implied: outcome.implied } : {}
        const checking = { growth: whole(at, blob.length), size: blob.length, digest, path: place.root, whiteouts, ...implied }
        const verdict = await check(checking, { signal: new AbortController().signal })
        expect(verdict.damaged).toEqual([])
      }),
      { numRuns: 400 },
    )
    expect(agreed).toBeGreaterThan(100)
  },
  120_000,
)
