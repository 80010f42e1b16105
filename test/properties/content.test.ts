import { open as openFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Failure } from '../../messages/grammar/index.ts'
import { type Store, startStore } from '../support/content.ts'
import { bounded } from '../support/properties.ts'
import { unsound } from '../support/sound.ts'
import { tempDirectory } from '../support/temp.ts'
import * as model from './content-model.ts'
import { blobs, type Model, type Outcome } from './content-model.ts'

/** One thing asked for, of one of few references with one of few blobs: plain data, so that a failing sequence shrinks. */
const reference = fc.constantFrom('r', 's', blobs[1]?.digest ?? '')
const blob = fc.nat(blobs.length - 1)
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined, freq: 1 })
const size = fc.oneof(
  blob.map((index) => blobOf(index).bytes.length),
  fc.nat(400),
)
const request = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ask: fc.constant('open' as const), reference, expected: maybe(blob), total: maybe(size) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      ask: fc.constantFrom('write' as const, 'advance' as const),
      reference,
      blob,
      most: fc.nat(20_000),
      skew: fc.constantFrom(0, 0, 0, 1, -1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ ask: fc.constant('truncate' as const), reference, offset: fc.oneof(fc.constant(0), fc.nat(400)) }) },
  { weight: 1, arbitrary: fc.record({ ask: fc.constant('close' as const), reference }) },
  { weight: 4, arbitrary: fc.record({ ask: fc.constant('commit' as const), reference, digest: maybe(blob), size: maybe(size) }) },
  { weight: 1, arbitrary: fc.record({ ask: fc.constant('abort' as const), reference, rightful: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ask: fc.constant('put' as const),
      blob,
      bytes: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, blob),
      reference: maybe(reference),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ask: fc.constant('label' as const),
      blob,
      labels: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('', 'x', 'y')),
    }),
  },
  { weight: 2, arbitrary: fc.record({ ask: fc.constant('remove' as const), blob }) },
  {
    weight: 1,
    arbitrary: fc.record({ ask: fc.constant('read' as const), blob, offset: fc.nat(400), length: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 1, arbitrary: fc.record({ ask: fc.constant('restart' as const) }) },
)
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never

function blobOf(index: number): { digest: string; bytes: Buffer } {
  return blobs[index] ?? { digest: '', bytes: Buffer.alloc(0) }
}

/** The store beside its model, and the tokens got of it, which may be good for nothing any more. */
interface Pair {
  store: Store
  readonly model: Model
  readonly tokens: Map<string, { token: string; path: string }>
}

/** Make a request of both; what each came to. */
async function ask(pair: Pair, one: Request): Promise<readonly [Outcome, Outcome]> {
  const { store, tokens } = pair
  const { ingest, content } = store
  const lent = 'reference' in one ? tokens.get(one.reference ?? '') : undefined
  const { token, path } = lent ?? { token: 'of nothing', path: '' }
  switch (one.ask) {
    case 'open': {
      const expectation = {
        ...(one.expected !== undefined && { expected: blobOf(one.expected).digest }),
        ...(one.total !== undefined && { total: one.total }),
      }
      const meant = model.open(pair.model, one.reference, expectation)
      const came = await outcome(ingest.open({ reference: one.reference, ...expectation }))
      if ('ok' in came) tokens.set(one.reference, came.ok as { token: string; path: string })
      return [meant, came]
    }
    case 'write': {
      const { at, bytes } = next(pair.model, one)
      return [
        model.write(pair.model, one.reference, at + one.skew < 0 ? at : at + one.skew, bytes),
        await outcome(ingest.write({ token, offset: at + one.skew < 0 ? at : at + one.skew, bytes })),
      ]
    }
    case 'advance': {
      const { at, bytes, room } = next(pair.model, one)
      const fits = bytes.subarray(0, room)
      if (pair.model.ingests.get(one.reference)?.open) await writeAt(path, fits, at)
      return [model.advance(pair.model, one.reference, fits), await outcome(ingest.advance({ token, offset: at + fits.length }))]
    }
    case 'truncate':
      return [model.truncate(pair.model, one.reference, one.offset), await outcome(ingest.truncate({ token, offset: one.offset }))]
    case 'close':
      return [model.close(pair.model, one.reference), await outcome(ingest.close({ token }))]
    case 'commit': {
      const claim = {
        ...(one.digest !== undefined && { digest: blobOf(one.digest).digest }),
        ...(one.size !== undefined && { size: one.size }),
      }
      return [model.commit(pair.model, one.reference, claim), await outcome(ingest.commit({ token, ...claim }))]
    }
    case 'abort':
      return [
        model.abort(pair.model, one.reference, one.rightful),
        await outcome(ingest.abort({ reference: one.reference, ...(one.rightful && { token }) })),
      ]
    case 'put': {
      const { digest } = blobOf(one.blob)
      const { bytes } = blobOf(one.bytes ?? one.blob)
      const name = { ...(one.reference !== undefined && { reference: one.reference }) }
      return [model.put(pair.model, digest, bytes, one.reference ?? digest), await outcome(ingest.put({ digest, bytes, ...name }))]
    }
    case 'label':
      return [
        model.label(pair.model, blobOf(one.blob).digest, one.labels),
        await outcome(content.label({ digest: blobOf(one.blob).digest, labels: one.labels })),
      ]
    case 'remove':
      return [model.remove(pair.model, blobOf(one.blob).digest), await outcome(content.remove({ digest: blobOf(one.blob).digest }))]
    case 'read': {
      const { offset, length } = one
      const { digest } = blobOf(one.blob)
      return [model.read(pair.model, digest, offset, length), await outcome(readHex(store, { digest, offset, length }))]
    }
    case 'restart':
      model.restart(pair.model)
      await store[Symbol.asyncDispose]()
      pair.store = await startStore({ root: store.home.root })
      return [{ ok: {} }, { ok: {} }]
  }
}

/** What comes next of a blob that is brought to a reference: from where that stands, so much of it, and how much it has room for. */
function next({ ingests }: Model, { reference, blob, most }: { reference: string; blob: number; most: number }) {
  const { bytes: { length: at } = Buffer.alloc(0), total = Infinity } = ingests.get(reference) ?? {}
  return { at, bytes: blobOf(blob).bytes.subarray(at, at + most), room: total - at }
}

async function writeAt(path: string, bytes: Buffer, at: number): Promise<void> {
  await using file = await openFile(path, 'r+')
  await file.write(bytes, 0, bytes.length, at)
}

async function readHex({ content }: Store, asked: { digest: string; offset: number; length: number }): Promise<unknown> {
  const { bytes, size } = await content.read(asked)
  return { size, hex: Buffer.from(bytes).toString('hex') }
}

async function outcome(answer: PromiseLike<unknown>): Promise<Outcome> {
  try {
    return { ok: await answer }
  } catch (error) {
    const { code, details } = Failure.from(error)
    const reason = (details as { reason?: unknown } | undefined)?.reason
    return { code, ...(typeof reason === 'string' && { reason }) }
  }
}

/** All that can be asked says the same of both. */
async function demandAlike({ store, model: { content, ingests } }: Pair): Promise<void> {
  const { ingests: listed } = await store.ingest.list({})
  const told = listed.map(({ reference, offset, total, expected, holder }) => ({
    reference,
    offset,
    total,
    expected,
    open: holder !== undefined,
  }))
  const meant = [...ingests].map(([reference, { bytes, total, expected, open }]) => ({
    reference,
    offset: bytes.length,
    total,
    expected,
    open,
  }))
  expect(told.toSorted(byReference)).toEqual(meant.toSorted(byReference))
  for (const { reference, offset } of listed) expect(await store.ingest.status({ reference })).toMatchObject({ reference, offset })
  const { blobs: there } = await store.content.list({})
  const known = there.map(({ digest, size, labels }) => ({ digest, size, labels }))
  const held = [...content].map(([digest, { bytes, labels }]) => ({ digest, size: bytes.length, labels }))
  expect(known).toEqual(held.toSorted((one, other) => (one.digest < other.digest ? -1 : 1)))
}

const byReference = (one: { reference: string }, other: { reference: string }): number => (one.reference < other.reference ? -1 : 1)

test('any sequence of requests comes to what it is meant to', async () => {
  const comesToThat = fc.asyncProperty(fc.array(request, { maxLength: 30, size: 'max' }), async (requests) => {
    await using root = await tempDirectory()
    const pair: Pair = { store: await startStore({ root: root.path }), model: model.newModel(), tokens: new Map() }
    try {
      for (const one of requests) {
        const [meant, came] = await ask(pair, one)
        expect(came, JSON.stringify(one)).toMatchObject(meant)
        await demandAlike(pair)
      }
      expect(await unsound(pair.store, { open: false })).toEqual([])
    } finally {
      await pair.store[Symbol.asyncDispose]()
    }
  })
  await fc.assert(comesToThat, bounded({ runs: 100, ms: 20_000 }))
}, 600_000)
