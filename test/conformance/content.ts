/**
 * What every content store must do, whatever is below it: written to through ingest, read through content. A function of a factory; the suites of
 * containerd's content stores were the list of cases.
 */
import { appendFile, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../support/content.ts'
import type { Asked } from '../support/stores.ts'

/** A store to be put to the test. */
type Store = Asked & AsyncDisposable

const bytesOf = (length: number, seed = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff))

/** Open a reference and send `bytes` from where it stands, in pieces; answers the token. */
async function send(
  store: Store,
  reference: string,
  bytes: Buffer,
  options: { expected?: string; total?: number; upTo?: number; piece?: number } = {},
) {
  const { upTo = bytes.length, piece = 128 * 1024, ...expectation } = options
  const lent = await store.ingest.open({ reference, ...expectation })
  for (let at = lent.offset; at < upTo; at += piece) {
    await store.ingest.write({ token: lent.token, offset: at, bytes: bytes.subarray(at, Math.min(at + piece, upTo)) })
  }
  return lent
}

async function read(store: Store, digest: string): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const { size } = await store.content.info({ digest })
  for (let offset = 0; offset < size; ) {
    const { bytes } = await store.content.read({ digest, offset })
    pieces.push(bytes)
    offset += bytes.length
  }
  return Buffer.concat(pieces)
}

/** Ways to go on from an offset with what a source has: what each kind of source offers is all that is used. */
const copies: Readonly<Record<string, (bytes: Buffer, offset: number) => AsyncIterable<Buffer> | Iterable<Buffer>>> = {
  'read and thrown away up to there': (bytes, offset) => discarding(Readable.from(pieces(bytes)), offset),
  'that can be sought in': (bytes, offset) => pieces(bytes.subarray(offset)),
  'that can be read anywhere': function* (bytes, offset) {
    for (let at = offset; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000)
  },
}

function* pieces(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}

async function* discarding(source: Readable, offset: number): AsyncIterable<Buffer> {
  let at = 0
  for await (const piece of source as AsyncIterable<Buffer>) {
    if (at + piece.length > offset) yield piece.subarray(Math.max(0, offset - at))
    at += piece.length
  }
}

const cuts = [0, 10, 50, 90, 100]

/** References, one for each size and each percent, with so much of their bytes there and nobody writing. */
async function* halfway(store: Store): AsyncIterable<{ reference: string; bytes: Buffer; startedAt: string; upTo: number }> {
  for (const size of [500, 5_000, 50_000]) {
    for (const percent of cuts) {
      const [reference, bytes, upTo] = [`${size} at ${percent}`, bytesOf(size, percent), Math.floor((size * percent) / 100)]
      const { token, startedAt } = await send(store, reference, bytes, { upTo })
      await store.ingest.close({ token })
      yield { reference, bytes, startedAt, upTo }
    }
  }
}

export function contentSuite(name: string, start: () => Promise<Store>): void {
  describe(`a content store ${name}`, () => {
    test('takes five writers at once, each knowing more or less of its blob', async () => {
      await using store = await start()
      const blobs = [bytesOf(256, 1), bytesOf(4_000, 2), bytesOf(70_000, 3), bytesOf(300_000, 4), bytesOf(3_000_000, 5)]
      const known = [
        {},
        { total: 4_000 },
        { expected: digestOf(blobs[2] as Buffer) },
        { total: 300_000, expected: digestOf(blobs[3] as Buffer) },
        {},
      ]
      const before = new Date().toISOString()
      await Promise.all(
        blobs.map(async (bytes, i) => {
          const { token } = await send(store, `writer ${i}`, bytes, { ...known[i], piece: i === 0 ? 32 : 200_000 })
          const info = await store.ingest.commit({ token, labels: { writer: `${i}` } })
          expect(info).toMatchObject({ digest: digestOf(bytes), size: bytes.length, labels: { writer: `${i}` } })
          expect(info.createdAt >= before && info.createdAt <= new Date().toISOString()).toBe(true)
          expect(await store.content.info({ digest: info.digest })).toMatchObject({ digest: info.digest, createdAt: info.createdAt })
          expect((await read(store, info.digest)).equals(bytes)).toBe(true)
        }),
      )
      expect((await store.ingest.list({})).ingests).toEqual([])
      expect((await store.content.list({})).blobs).toHaveLength(5)
    })

    test('says where an ingest stands after every piece', async () => {
      await using store = await start()
      const bytes = bytesOf(256)
      const { token, startedAt } = await store.ingest.open({ reference: 'r', total: 256, expected: digestOf(bytes) })
      let last = ''
      for (const [from, to] of [
        [0, 0],
        [0, 64],
        [64, 192],
        [192, 256],
      ] as const) {
        if (to > from) await store.ingest.write({ token, offset: from, bytes: bytes.subarray(from, to) })
        const status = await store.ingest.status({ reference: 'r' })
        expect(status).toMatchObject({
          reference: 'r',
          offset: to,
          total: 256,
          expected: digestOf(bytes),
          startedAt,
          holder: { node: 'n1' },
        })
        expect(status.updatedAt >= last).toBe(true)
        last = status.updatedAt
        expect((await store.ingest.list({})).ingests).toMatchObject([{ reference: 'r', offset: to }])
        expect((await store.content.list({})).blobs).toEqual([])
      }
    })

    test('answers already_exists to a second commit of known bytes, expected or not', async () => {
      await using store = await start()
      const bytes = bytesOf(1_000)
      const first = await send(store, 'first', bytes)
      await store.ingest.commit({ token: first.token })
      await expect(store.ingest.open({ reference: 'second', expected: digestOf(bytes) })).rejects.toMatchObject({ code: 'already_exists' })
      const third = await send(store, 'third', bytes)
      await expect(store.ingest.commit({ token: third.token })).rejects.toMatchObject({ code: 'already_exists' })
      const fourth = await send(store, 'fourth', bytes)
      await expect(store.ingest.commit({ token: fourth.token, digest: digestOf(bytes) })).rejects.toMatchObject({ code: 'already_exists' })
      expect((await store.ingest.list({})).ingests).toEqual([])
      expect((await read(store, digestOf(bytes))).equals(bytes)).toBe(true)
    })

    for (const size of [500, 50_000, 2_500_000]) {
      for (const percent of [0, 10, 50, 90, 100]) {
        test(`goes on with ${size} bytes where it was closed at ${percent} %`, async () => {
          await using store = await start()
          const bytes = bytesOf(size)
          const upTo = Math.floor((size * percent) / 100)
          const first = await send(store, 'r', bytes, { upTo, total: size })
          await store.ingest.close({ token: first.token })
          expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ state: 'closed', offset: upTo })
          const second = await store.ingest.open({ reference: 'r', total: size })
          expect(second).toMatchObject({ offset: upTo, startedAt: first.startedAt, path: first.path })
          await store.ingest.close({ token: second.token })
          const third = await send(store, 'r', bytes, { total: size })
          expect(await store.ingest.commit({ token: third.token })).toMatchObject({ digest: digestOf(bytes), size })
          expect((await read(store, digestOf(bytes))).equals(bytes)).toBe(true)
        })
      }
    }

    for (const [source, copy] of Object.entries(copies)) {
      test(`goes on from a source ${source}`, async () => {
        await using store = await start()
        for await (const { reference, bytes, startedAt, upTo } of halfway(store)) {
          const lent = await store.ingest.open({ reference })
          expect(lent).toMatchObject({ offset: upTo, startedAt })
          let { offset } = lent
          for await (const piece of copy(bytes, offset)) {
            ;({ offset } = await store.ingest.write({ token: lent.token, offset, bytes: piece }))
          }
          expect(await store.ingest.commit({ token: lent.token, size: bytes.length })).toMatchObject({ digest: digestOf(bytes) })
          expect((await read(store, digestOf(bytes))).equals(bytes)).toBe(true)
        }
      })
    }

    for (const [name, to] of [
      ['nothing', () => 0],
      ['half of it', (upTo: number) => Math.floor(upTo / 2)],
      ['where it is', (upTo: number) => upTo],
    ] as const) {
      test(`goes on with something else once truncated to ${name}`, async () => {
        await using store = await start()
        for await (const { reference, bytes, startedAt, upTo } of halfway(store)) {
          const { token } = await store.ingest.open({ reference })
          const kept = to(upTo)
          expect(await store.ingest.truncate({ token, offset: kept })).toEqual({ offset: kept })
          expect(await store.ingest.status({ reference })).toMatchObject({ offset: kept, startedAt })
          const other = Buffer.concat([bytes.subarray(0, kept), bytesOf(300, kept + 3)])
          await expect(store.ingest.write({ token, offset: kept + 1, bytes: other })).rejects.toMatchObject({ code: 'out_of_range' })
          await store.ingest.write({ token, offset: kept, bytes: other.subarray(kept) })
          expect(await store.ingest.commit({ token, labels: { reference } })).toMatchObject({ digest: digestOf(other), size: kept + 300 })
          expect((await read(store, digestOf(other))).equals(other)).toBe(true)
          await store.content.remove({ digest: digestOf(other) })
        }
      })
    }

    test('truncates again and again, never to what is not there, and not without a token', async () => {
      await using store = await start()
      const bytes = bytesOf(2_200_000)
      const { token } = await send(store, 'r', bytes, { total: bytes.length, upTo: 1_500_000 })
      await expect(store.ingest.truncate({ token, offset: 1_500_001 })).rejects.toMatchObject({
        code: 'out_of_range',
        details: { offset: 1_500_000 },
      })
      for (const offset of [1_200_000, 1_100_000, 3]) expect(await store.ingest.truncate({ token, offset })).toEqual({ offset })
      for (let at = 3; at < bytes.length; at += 400_000)
        await store.ingest.write({ token, offset: at, bytes: bytes.subarray(at, at + 400_000) })
      expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf(bytes) })
      await expect(store.ingest.truncate({ token, offset: 0 })).rejects.toMatchObject({ code: 'not_found' })
    })

    test('tells who follows that what was read counts for nothing once it is truncated', async () => {
      await using store = await start()
      const { token } = await send(store, 'r', bytesOf(100))
      const items = store.ingest.follow({ reference: 'r' })[Symbol.asyncIterator]()
      expect((await items.next()).value).toMatchObject({ offset: 100 })
      await store.ingest.truncate({ token, offset: 50 })
      await expect(
        (async () => {
          while (!(await items.next()).done);
        })(),
      ).rejects.toMatchObject({ code: 'data_loss' })
    })

    test('takes the right bytes after the wrong ones, with what was said when they were refused', async () => {
      await using store = await start()
      const bytes = bytesOf(5_000)
      const wrong = Buffer.concat([bytes.subarray(0, 4_000), bytesOf(1_000, 5)])
      const first = await send(store, 'r', wrong, { expected: digestOf(bytes), total: 5_000 })
      await expect(store.ingest.commit({ token: first.token })).rejects.toMatchObject({
        code: 'failed_precondition',
        details: { reason: 'digest', digest: digestOf(wrong), expected: digestOf(bytes) },
      })
      const again = await store.ingest.open({ reference: 'r', expected: digestOf(bytes), total: 5_000 })
      expect(again).toMatchObject({ offset: 5_000, startedAt: first.startedAt })
      await store.ingest.truncate({ token: again.token, offset: 4_000 })
      await store.ingest.write({ token: again.token, offset: 4_000, bytes: bytes.subarray(4_000) })
      expect(await store.ingest.commit({ token: again.token })).toMatchObject({ digest: digestOf(bytes) })
      const short = await send(store, 's', bytesOf(10, 7), { total: 20 })
      await expect(store.ingest.commit({ token: short.token })).rejects.toMatchObject({
        code: 'failed_precondition',
        details: { reason: 'size', size: 10, expected: 20 },
      })
    })

    test('shows nobody the bytes of an ingest before they are content, nor an ingest of what is', async () => {
      await using store = await start()
      const bytes = bytesOf(1_000)
      const digest = digestOf(bytes)
      const { token } = await send(store, digest, bytes, { expected: digest, total: 1_000 })
      for (const asked of [store.content.info({ digest }), store.content.read({ digest }), store.content.locate({ digest })])
        await expect(asked).rejects.toMatchObject({ code: 'not_found' })
      await store.ingest.commit({ token })
      await expect(store.ingest.status({ reference: digest })).rejects.toMatchObject({ code: 'not_found' })
      const { path } = await store.content.locate({ digest })
      expect((await stat(path)).mode & 0o333).toBe(0)
    })

    test('walks blobs and ingests, all or those that pass a filter', async () => {
      await using store = await start()
      const blobs = Array.from({ length: 79 }, (_, i) => bytesOf(100 + i, i))
      for (const [i, bytes] of blobs.entries()) {
        await store.ingest.put({ digest: digestOf(bytes), bytes, labels: { parity: i % 2 === 0 ? 'even' : 'odd', 'of.a/test': 'yes' } })
      }
      const walk = async (...filters: string[]) => (await store.content.list({ filters })).blobs
      expect((await walk()).map(({ digest }) => digest)).toEqual(blobs.map((bytes) => digestOf(bytes)).toSorted())
      expect(await walk('labels.parity==odd')).toHaveLength(39)
      expect(await walk('labels.parity==odd,size<110')).toHaveLength(5)
      expect(await walk('labels.parity==odd,size<110', 'size==100')).toHaveLength(6)
      expect(await walk('labels."of.a/test"~=^y')).toHaveLength(79)
      expect(await walk(`digest==${digestOf(blobs[7] as Buffer)}`)).toMatchObject([{ size: 107 }])
      await expect(walk('size=')).rejects.toMatchObject({ code: 'invalid_argument' })

      for (const reference of ['a/one', 'a/two', 'b']) await send(store, reference, bytesOf(reference.length), { total: 100 })
      const ingests = async (...filters: string[]) =>
        (await store.ingest.list({ filters })).ingests.map(({ reference }) => reference).toSorted()
      expect(await ingests()).toEqual(['a/one', 'a/two', 'b'])
      expect(await ingests('reference==b')).toEqual(['b'])
      expect(await ingests('reference~=^a/,offset>=5')).toEqual(['a/one', 'a/two'])
      expect(await ingests('state==closed')).toEqual([])
      await expect(ingests('reference~=(')).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    test('starts over, with nothing left of before, when another total is said', async () => {
      await using store = await start()
      const first = await send(store, 'r', bytesOf(5_000), { total: 5_000 })
      await store.ingest.close({ token: first.token })
      const shorter = bytesOf(300, 2)
      const second = await send(store, 'r', shorter, { total: 300 })
      expect(second.offset).toBe(0)
      expect(await store.ingest.commit({ token: second.token })).toMatchObject({ digest: digestOf(shorter), size: 300 })
    })

    test('starts over when another digest is expected', async () => {
      await using store = await start()
      const first = await send(store, 'r', bytesOf(50), { expected: digestOf(bytesOf(100)) })
      await store.ingest.close({ token: first.token })
      const bytes = bytesOf(60, 2)
      const second = await send(store, 'r', bytes, { expected: digestOf(bytes) })
      expect(second.offset).toBe(0)
      expect(await store.ingest.commit({ token: second.token })).toMatchObject({ size: 60 })
    })

    test('gives the reference back after every kind of commit, good or bad', async () => {
      await using store = await start()
      const known = bytesOf(400, 9)
      await store.ingest.put({ digest: digestOf(known), bytes: known })
      const bytes = bytesOf(256)
      const commit = async (sent: Buffer, claim: { size?: number; digest?: string }) => {
        const { token } = await send(store, 'r', sent)
        await expect(store.ingest.open({ reference: 'r' })).rejects.toMatchObject({
          code: 'unavailable',
          details: { holder: { node: 'n1', pid: expect.any(Number) } },
        })
        return await store.ingest.commit({ token, ...claim })
      }
      await expect(commit(known, { digest: digestOf(known) })).rejects.toMatchObject({ code: 'already_exists' })
      await expect(commit(known, {})).rejects.toMatchObject({ code: 'already_exists' })
      await expect(commit(bytes, { digest: digestOf('else') })).rejects.toMatchObject({
        code: 'failed_precondition',
        details: { reason: 'digest', digest: digestOf(bytes), expected: digestOf('else') },
      })
      expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ state: 'closed', offset: 256 })
      await expect(commit(bytes, { size: 255 })).rejects.toMatchObject({
        code: 'failed_precondition',
        details: { reason: 'size', size: 256, expected: 255 },
      })
      await expect(commit(bytes, { size: 0 })).rejects.toMatchObject({ code: 'failed_precondition', details: { reason: 'size' } })
      expect(await commit(bytes, { size: 256, digest: digestOf(bytes) })).toMatchObject({ size: 256 })
      await expect(store.ingest.status({ reference: 'r' })).rejects.toMatchObject({ code: 'not_found' })
      const again = await store.ingest.open({ reference: 'r' })
      expect(again.offset).toBe(0)
    })

    test('hashes with the algorithm it was told, and with another that comes late', async () => {
      await using store = await start()
      const bytes = bytesOf(1_500_000)
      const early = await send(store, 'early', bytes, { expected: digestOf(bytes, 'sha512') })
      expect(await store.ingest.commit({ token: early.token })).toMatchObject({ digest: digestOf(bytes, 'sha512') })
      const late = await send(store, 'late', bytes)
      expect(await store.ingest.commit({ token: late.token, digest: digestOf(bytes, 'sha384') })).toMatchObject({
        digest: digestOf(bytes, 'sha384'),
      })
      await expect(store.content.info({ digest: digestOf(bytes) })).rejects.toMatchObject({ code: 'not_found' })
    })

    test('takes an empty blob', async () => {
      await using store = await start()
      const { token } = await store.ingest.open({ reference: 'empty', total: 0 })
      expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf(''), size: 0 })
      expect((await store.content.read({ digest: digestOf('') })).bytes).toHaveLength(0)
    })

    test('takes bytes written into the lent file', async () => {
      await using store = await start()
      const bytes = bytesOf(3_000_000)
      const { token, path } = await store.ingest.open({ reference: 'lent', expected: digestOf(bytes), total: bytes.length })
      for (let at = 0; at < bytes.length; at += 1_000_000) {
        await appendFile(path, bytes.subarray(at, at + 1_000_000))
        await store.ingest.advance({ token, offset: at + 1_000_000 })
      }
      expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf(bytes) })
      expect((await read(store, digestOf(bytes))).equals(bytes)).toBe(true)
    })

    test('refuses bytes anywhere but at the end, and more than the total', async () => {
      await using store = await start()
      const { token } = await store.ingest.open({ reference: 'r', total: 10 })
      await store.ingest.write({ token, offset: 0, bytes: bytesOf(4) })
      for (const [offset, length] of [
        [3, 1],
        [5, 1],
        [0, 4],
        [4, 7],
      ] as const) {
        await expect(store.ingest.write({ token, offset, bytes: bytesOf(length) })).rejects.toMatchObject({
          code: 'out_of_range',
          details: { offset: 4 },
        })
      }
      for (const offset of [3, 5, 11]) await expect(store.ingest.advance({ token, offset })).rejects.toMatchObject({ code: 'out_of_range' })
      await expect(store.ingest.write({ token, offset: 4, bytes: bytesOf(6) })).resolves.toEqual({ offset: 10 })
    })

    test('knows a token only as long as it holds', async () => {
      await using store = await start()
      const { token } = await send(store, 'r', bytesOf(10))
      await store.ingest.close({ token })
      const gone = { code: 'not_found' }
      await expect(store.ingest.write({ token, offset: 10, bytes: bytesOf(1) })).rejects.toMatchObject(gone)
      await expect(store.ingest.advance({ token, offset: 10 })).rejects.toMatchObject(gone)
      await expect(store.ingest.commit({ token })).rejects.toMatchObject(gone)
      await expect(store.ingest.close({ token })).rejects.toMatchObject(gone)
      await expect(store.ingest.close({ token: 'no token' })).rejects.toMatchObject(gone)
    })

    test('lends a reference again to who asks again with a token of its own, and to nobody else', async () => {
      await using store = await start()
      const [first, again] = await Promise.all([1, 2].map(() => store.ingest.open({ reference: 'r', token: 'of my own' })))
      expect(first?.token).toBe('of my own')
      expect(again).toEqual(first)
      await store.ingest.write({ token: 'of my own', offset: 0, bytes: bytesOf(10) })
      expect(await store.ingest.open({ reference: 'r', token: 'of my own' })).toEqual({ ...first, offset: 10 })
      await expect(store.ingest.open({ reference: 'r', token: 'of another' })).rejects.toMatchObject({ code: 'unavailable' })
      await expect(store.ingest.open({ reference: 's', token: 'of my own' })).rejects.toMatchObject({ code: 'invalid_argument' })
      await store.ingest.close({ token: 'of my own' })
      expect((await store.ingest.open({ reference: 'r', token: 'of another' })).offset).toBe(10)
    })

    test('aborts what nobody else holds, and nothing else', async () => {
      await using store = await start()
      await expect(store.ingest.abort({ reference: 'r' })).rejects.toMatchObject({ code: 'not_found' })
      const { token, path } = await send(store, 'r', bytesOf(10))
      await expect(store.ingest.abort({ reference: 'r' })).rejects.toMatchObject({
        code: 'failed_precondition',
        details: { holder: { node: 'n1' } },
      })
      await expect(store.ingest.abort({ reference: 'r', token: 'another' })).rejects.toMatchObject({ code: 'failed_precondition' })
      await store.ingest.abort({ reference: 'r', token })
      await expect(store.ingest.commit({ token })).rejects.toMatchObject({ code: 'not_found' })
      await expect(store.ingest.status({ reference: 'r' })).rejects.toMatchObject({ code: 'not_found' })
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
      const second = await send(store, 'r', bytesOf(10))
      expect(second.offset).toBe(0)
      await store.ingest.close({ token: second.token })
      await store.ingest.abort({ reference: 'r' })
      expect((await store.ingest.list({})).ingests).toEqual([])
    })

    test('takes any text as a reference', async () => {
      await using store = await start()
      const odd = ['a/b:c', '../../etc/passwd', 'sha256:not-a-digest', 'x'.repeat(1_024), '\u00e9'.repeat(512), '\u0000\ud83d\ude00\n', '.']
      for (const reference of odd) {
        const bytes = Buffer.from(`of ${reference}`)
        const { token } = await send(store, reference, bytes)
        expect((await store.ingest.status({ reference })).reference).toBe(reference)
        expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf(bytes) })
      }
      for (const reference of ['', 'x'.repeat(1_025), '\u00e9'.repeat(513)])
        await expect(store.ingest.open({ reference })).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    test('refuses what is no digest before it looks anywhere', async () => {
      await using store = await start()
      const hex = '0'.repeat(64)
      const bad = [
        '',
        hex,
        `sha256:${hex}0`,
        `sha256:${hex.slice(1)}`,
        `md5:${'0'.repeat(32)}`,
        `sha256:../${hex.slice(3)}`,
        `sha256:${'A'.repeat(64)}`,
        `sha256:${hex}\n`,
      ]
      for (const digest of bad) {
        const refused = { code: 'invalid_argument' }
        await expect(store.content.info({ digest })).rejects.toMatchObject(refused)
        await expect(store.content.locate({ digest })).rejects.toMatchObject(refused)
        await expect(store.content.remove({ digest })).rejects.toMatchObject(refused)
        await expect(store.ingest.put({ digest, bytes: Buffer.from('x') })).rejects.toMatchObject(refused)
        await expect(store.ingest.open({ reference: 'r', expected: digest })).rejects.toMatchObject(refused)
      }
      expect((await store.ingest.list({})).ingests).toEqual([])
    })

    test('reads pieces up to the end, and nothing past it', async () => {
      await using store = await start()
      const bytes = bytesOf(700_000)
      const digest = digestOf(bytes)
      await store.ingest.put({ digest, bytes })
      const first = await store.content.read({ digest })
      expect(first).toMatchObject({ size: 700_000 })
      expect(Buffer.from(first.bytes).equals(bytes.subarray(0, 512 * 1024))).toBe(true)
      expect(Buffer.from((await store.content.read({ digest, offset: 699_990, length: 100 })).bytes).equals(bytes.subarray(699_990))).toBe(
        true,
      )
      expect((await store.content.read({ digest, offset: 700_000 })).bytes).toHaveLength(0)
      await expect(store.content.read({ digest, offset: 700_001 })).rejects.toMatchObject({
        code: 'out_of_range',
        details: { size: 700_000 },
      })
      await expect(store.content.read({ digest, length: 512 * 1024 + 1 })).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(store.content.read({ digest: digestOf('other') })).rejects.toMatchObject({ code: 'not_found' })
    })

    test('sets labels, takes them away, and keeps when it was created', async () => {
      await using store = await start()
      const bytes = bytesOf(10)
      const digest = digestOf(bytes)
      const { createdAt, updatedAt } = await store.ingest.put({ digest, bytes, labels: { a: '1', b: '2' } })
      const labelled = await store.content.label({ digest, labels: { b: '', c: '3' } })
      expect(labelled).toMatchObject({ labels: { a: '1', c: '3' }, createdAt })
      expect(labelled.labels).not.toHaveProperty('b')
      expect(labelled.updatedAt >= updatedAt).toBe(true)
      expect(await store.content.info({ digest })).toMatchObject({ labels: { a: '1', c: '3' } })
      await expect(store.content.label({ digest, labels: { k: 'v'.repeat(4_096) } })).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(store.content.label({ digest: digestOf('other'), labels: {} })).rejects.toMatchObject({ code: 'not_found' })
    })

    test('removes a blob once, and takes it again', async () => {
      await using store = await start()
      const bytes = bytesOf(10)
      const digest = digestOf(bytes)
      await store.ingest.put({ digest, bytes })
      await store.content.remove({ digest })
      await expect(store.content.info({ digest })).rejects.toMatchObject({ code: 'not_found' })
      await expect(store.content.remove({ digest })).rejects.toMatchObject({ code: 'not_found' })
      await store.ingest.put({ digest, bytes })
      expect((await read(store, digest)).equals(bytes)).toBe(true)
    })

    test('has one of many who put the same blob at once, and tells the rest that it is there', async () => {
      await using store = await start()
      const bytes = bytesOf(1_000)
      const digest = digestOf(bytes)
      const answers = await Promise.allSettled(Array.from({ length: 10 }, async () => await store.ingest.put({ digest, bytes })))
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'already_exists' })
    })

    test('lends a reference to one of many who ask at once', async () => {
      await using store = await start()
      const answers = await Promise.allSettled(Array.from({ length: 10 }, async () => await store.ingest.open({ reference: 'r' })))
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'unavailable' })
    })

    test('keeps a blob whole while it is committed, put and removed at once', async () => {
      await using store = await start()
      const bytes = bytesOf(2_000)
      const digest = digestOf(bytes)
      for (let round = 0; round < 10; round++) {
        const { token } = await send(store, 'r', bytes)
        await Promise.allSettled([
          (async () => await store.ingest.commit({ token }))(),
          (async () => await store.ingest.put({ digest, bytes }))(),
          (async () => await store.content.remove({ digest }))(),
        ])
        const there = await store.content.list({})
        for (const blob of there.blobs) await expect(store.content.verify({ digest: blob.digest })).resolves.toMatchObject({ size: 2_000 })
        for (const blob of there.blobs) await store.content.remove({ digest: blob.digest })
      }
    })
  })
}
