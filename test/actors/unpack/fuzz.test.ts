import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import { archive, directory, file, type Piece } from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { bounded } from '../../support/properties.ts'
import { type Ground, ground, isRoot } from './applying.ts'
import { damage, honestNames, hostileNames, nonsense, pieces, sensible, shown } from './archives.ts'
import { has, judgedByTar, judgedByUmoci } from './judging.ts'

const hostile = fc.array(fc.oneof({ weight: 6, arbitrary: pieces(hostileNames) }, nonsense), { maxLength: 14 })
/** A moment in the gate; when so many runs are asked for, as long as they take. */
const nightMs = 3_600_000
const asked = Number(process.env['GANTRY_TEST_RUNS'] ?? 0)

const ways = ['remove', 'overlay'] as const
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** What is beside the root and must stay as it is, under every name an archive may use. */
function canary(base: string): () => unknown {
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(base, name))
    for (const inside of ['a', 'b', 'c']) writeFileSync(join(base, name, inside), 'outside', { mode: 0o600 })
    chmodSync(join(base, name), 0o711)
  }
  return () => Object.entries(listing(base)).filter(([path]) => !/^(root|blob-)/.test(path))
}

/** What became of a layer: nothing wrong, or a failure of the archive, with nothing left open. */
async function outcome({ base }: Ground, applying: () => Promise<unknown>): Promise<Failure | undefined> {
  const failure = await applying().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(openBelow(base)).toEqual([])
  if (failure === undefined) return undefined
  expect(failure).toBeInstanceOf(Failure)
  expect(['data_loss', 'failed_precondition', 'resource_exhausted'], String(failure)).toContain((failure as Failure).code)
  return failure as Failure
}

function openBelow(base: string): string[] {
  const paths = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // the one that lists them
      return []
    }
  })
  return paths.filter((path) => path.startsWith(base))
}

describe('archives nobody thought of', () => {
  test.each(ways)(
    'never get out, and end well or as a failure of the archive: %s',
    async (whiteouts) => {
      const property = fc.asyncProperty(hostile, hostile, async (before, layer) => {
        using at = ground()
        const outside = canary(at.base)
        const untouched = outside()
        for (const entries of whiteouts === 'remove' ? [before, layer] : [layer])
          await outcome(at, () => at.apply(archive(...entries), { whiteouts }))
        expect(outside()).toEqual(untouched)
      })
      await fc.assert(property, bounded({ runs: 150, ms: 1500 }))
    },
    nightMs,
  )

  test(
    'that came damaged never get out either, and never pass for what they were',
    async () => {
      const packed = fc.constantFrom<(bytes: Buffer) => Buffer>((bytes) => bytes, gzipSync, zstdCompressSync)
      const property = fc.asyncProperty(hostile, damage, packed, fc.boolean(), async (entries, damaged, pack, outer) => {
        using at = ground()
        const outside = canary(at.base)
        const untouched = outside()
        const whole = archive(...entries)
        const bytes = outer ? damaged(pack(whole)) : pack(damaged(whole))
        const failure = await outcome(at, () => at.apply(bytes, { expected: digestOf(whole) }))
        if (!outer && !damaged(whole).equals(whole)) expect(failure?.code).toMatch(/^(data_loss|resource_exhausted)$/)
        expect(outside()).toEqual(untouched)
      })
      await fc.assert(property, bounded({ runs: 150, ms: 1500 }))
    },
    nightMs,
  )
})

describe.runIf(isRoot)('where both accept them, archives nobody thought of come to the same', () => {
  test(
    'with us and with GNU tar, shut up in its root',
    async () => {
      let agreed = 0
      const honest = sensible(honestNames, { minLength: 3, maxLength: 10 })
      const property = fc.asyncProperty(honest, honest, async (before, layer) => {
        const archives = [archive(...before), archive(...layer)]
        using at = ground()
        for (const bytes of archives) if (await outcome(at, () => at.apply(bytes))) return
        // tar refuses more: it removes no directory that has something in it
        const judged = judgedByTar(at.base, archives)
        if (judged === undefined) return
        agreed++
        expect(comparable(at.root, loose)).toEqual(comparable(judged, loose))
      })
      await fc.assert(property, bounded({ runs: 60, ms: 1500 }))
      expect(agreed).toBeGreaterThanOrEqual(asked / 10)
    },
    nightMs,
  )

  test.runIf(has('umoci'))(
    'with us and with umoci, deletions and all',
    async () => {
      let agreed = 0
      const lower = sensible(fc.oneof(honestNames, deleted), { minLength: 3, maxLength: 10 })
      const upper = fc
        .tuple(sensible(honestNames, { minLength: 1, maxLength: 8 }), fc.array(fc.tuple(fc.nat(), deletions), { maxLength: 4 }))
        .map(([some, gone]) => gone.reduce((all, [at, piece]) => all.toSpliced(at % (all.length + 1), 0, piece), some))
      const property = fc.asyncProperty(lower, upper, async (before, layer) => {
        const layers = [archive(...before), archive(...layer)]
        using at = ground()
        for (const bytes of layers) if (await outcome(at, () => at.apply(bytes))) return
        const judged = await judgedByUmoci(at.base, layers)
        if (judged === undefined) return
        agreed++
        expect(comparable(at.root)).toEqual(comparable(judged))
      })
      await fc.assert(property, bounded({ runs: 30, ms: 1500 }))
      expect(agreed).toBeGreaterThanOrEqual(asked / 10)
    },
    nightMs,
  )
})

/** Names only a layer below has, so that it does not matter whether a deletion is about its own layer: they differ there. */
const gone = fc.constantFrom('x', 'y')
const place = fc.constantFrom('', 'a/', 'b/', 'a/b/', 'c/a/')
const deleted = fc.tuple(place, gone, fc.constantFrom('', '/x', '/y/x')).map((parts) => parts.join(''))
/** In directories that are there: one that is made for a deletion alone is made by some and not by others. */
const deletions: fc.Arbitrary<Piece> = fc
  .tuple(place, gone)
  .map(([at, name]) => shown(Buffer.concat([directory(at || '.'), file(`${at}.wh.${name}`)])))

/** Directories nobody described have the time they were made. Tar leaves directories the setgid bit of those they are in, whatever their entries say. */
const comparable = (root: string, { setgid = true } = {}): unknown =>
  Object.entries(listing(root)).map(([path, { mtime, mode, ...rest }]) =>
    rest.kind === 'directory' ? [path, rest, Number.parseInt(mode, 8) & (setgid ? 0o7777 : 0o5777)] : [path, rest, mode, mtime],
  )

const loose = { setgid: false }
