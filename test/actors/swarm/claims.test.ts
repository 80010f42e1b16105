import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Agreement, beatMs, type Claim, type Claims, claims, type Range, silenceMs } from '../../../actors/swarm/claims.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Bucket } from '../../../runtime/bus/bucket.ts'
import { bounded } from '../../support/properties.ts'

const { signal } = new AbortController()

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('two never claim the same, whoever is first, whatever is lost on the way', async () => {
  const steps = fc.array(fc.record({ node: fc.nat(3), take: fc.boolean(), lost: fc.constantFrom('no', 'asked', 'answered') }), {
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const bucket = fakeBucket()
      const nodes = [0, 1, 2, 3].map((index) => claiming(`n${index}`, { bucket }))
      for (const { node, take, lost } of all) {
        bucket.lose = lost
        if (take) await patient(nodes[node]?.take(firstFree, { signal }))
        else await patient(nodes[node]?.release())
        bucket.lose = 'no'
        const held = bucket.value?.claims ?? []
        for (const one of held) for (const other of held) if (one !== other) expect(one.from < other.to && other.from < one.to).toBe(false)
      }
      for (const one of nodes) await patient(one.release())
    }),
    bounded({ runs: 60, ms: 4_000 }),
  )
})

test('all who ask at once get something else', async () => {
  const bucket = fakeBucket()
  const nodes = Array.from({ length: 20 }, (_, index) => claiming(`n${index}`, { bucket }))
  const ranges = await patient(Promise.all(nodes.map((one) => one.take((others) => firstFree(others), { signal }))))
  expect(new Set(ranges?.map((range) => range?.from)).size).toBe(20)
})

test('who is silent for long has lost its claims, and one that beats has not', async () => {
  const bucket = fakeBucket()
  const [dead, alive, late] = ['dead', 'alive', 'late'].map((node) => claiming(node, { bucket })) as [Claims, Claims, Claims]
  await dead.take(() => ({ from: 0, to: 4 }), { signal })
  await alive.take(() => ({ from: 4, to: 8 }), { signal })
  bucket.mute('dead')
  expect(await late.take((others) => (others.length === 2 ? undefined : { from: 0, to: 1 }), { signal })).toBeUndefined()
  await vi.advanceTimersByTimeAsync(silenceMs / 2)
  await late.take(() => undefined, { signal })
  await vi.advanceTimersByTimeAsync(silenceMs / 2 + 1)
  let seen: readonly Claim[] = []
  await late.take((others) => void (seen = others), { signal })
  expect(seen.map(({ node }) => node)).toEqual(['alive'])
})

test('who is known to be gone has lost its claims at once', async () => {
  const bucket = fakeBucket()
  await claiming('dead', { bucket }).take(() => ({ from: 0, to: 4 }), { signal })
  const other = claiming('other', { bucket, gone: (node) => node === 'dead' })
  expect(await other.take(firstFree, { signal })).toMatchObject({ from: 0, to: 4 })
})

test('who was taken for dead and lives hears that another reads', async () => {
  const bucket = fakeBucket()
  const frozen = claiming('frozen', { bucket })
  const range = await frozen.take(() => ({ from: 0, to: 4 }), { signal })
  const other = claiming('other', { bucket, gone: () => true })
  await other.take(() => ({ from: 2, to: 6 }), { signal })
  expect(range?.lost.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(range?.lost.aborted).toBe(true)
  expect(bucket.value?.claims.map(({ node }) => node)).toEqual(['other'])
})

test('who was taken for dead and lives goes on where nobody else reads', async () => {
  const bucket = fakeBucket()
  const frozen = claiming('frozen', { bucket })
  const range = await frozen.take(() => ({ from: 0, to: 4 }), { signal })
  let gone = true
  await claiming('other', { bucket, gone: () => gone }).take(() => ({ from: 4, to: 8 }), { signal })
  gone = false
  await vi.advanceTimersByTimeAsync(2_000)
  expect(range?.lost.aborted).toBe(false)
  expect(bucket.value?.claims.map(({ node }) => node).toSorted()).toEqual(['frozen', 'other'])
})

test('what others let go of is seen by the next who asks', async () => {
  const bucket = fakeBucket()
  const [one, two] = [claiming('one', { bucket }), claiming('two', { bucket })]
  await one.take(() => ({ from: 0, to: 4 }), { signal })
  expect(await two.take((others) => (others.length > 0 ? undefined : { from: 0, to: 4 }), { signal })).toBeUndefined()
  await one.release()
  expect(await two.take((others) => (others.length > 0 ? undefined : { from: 0, to: 4 }), { signal })).toMatchObject({ from: 0 })
})

test('what a node has is said with each of its claims, and when it lets go of the last', async () => {
  const bucket = fakeBucket()
  let has = Uint8Array.of(0)
  const one = claiming('one', { bucket, held: () => has })
  await one.take(() => ({ from: 0, to: 4 }), { signal })
  has = Uint8Array.of(0xf0)
  await claiming('two', { bucket, held: () => Uint8Array.of(0x0f) }).take(() => ({ from: 4, to: 8 }), { signal })
  await one.release()
  expect(bucket.value?.held).toEqual([
    { node: 'two', pieces: Uint8Array.of(0x0f) },
    { node: 'one', pieces: Uint8Array.of(0xf0) },
  ])
  await claiming('three', { bucket, gone: (node) => node === 'one' }).take(firstFree, { signal })
  expect(bucket.value?.held?.map(({ node }) => node)).toEqual(['two', 'three'])
})

test('a beat that is slow to be answered does not put back what was ours before', async () => {
  const bucket = fakeBucket()
  const one = claiming('one', { bucket })
  await one.take(() => ({ from: 0, to: 4 }), { signal })
  await vi.advanceTimersByTimeAsync(beatMs - 5)
  bucket.answerMs = 10
  const taken = one.take(() => ({ from: 4, to: 8 }), { signal })
  await vi.advanceTimersByTimeAsync(20)
  bucket.answerMs = 0
  await taken
  await vi.advanceTimersByTimeAsync(20)
  expect(bucket.value?.claims.find(({ node }) => node === 'one')).toMatchObject({ from: 4, to: 8 })
})

test('who claims nothing more lets go of what it had', async () => {
  const bucket = fakeBucket()
  const one = claiming('one', { bucket })
  await one.take(firstFree, { signal })
  await one.take(() => undefined, { signal })
  await one.release()
  expect(bucket.value?.claims).toEqual([])
})

test('who claims anew what it had long ago is not taken for silent', async () => {
  const bucket = fakeBucket()
  const [one, two] = [claiming('one', { bucket }), claiming('two', { bucket })]
  await one.take(() => ({ from: 0, to: 4 }), { signal })
  let seen: readonly Claim[] = []
  await two.take((others) => void (seen = others), { signal })
  await one.release()
  await vi.advanceTimersByTimeAsync(2 * silenceMs)
  await one.take(() => ({ from: 0, to: 8 }), { signal })
  await two.take((others) => void (seen = others), { signal })
  expect(seen).toMatchObject([{ node: 'one', to: 8 }])
})

test('without a bucket everything may be had at once', async () => {
  const alone = claims({ bucket: async () => undefined, key: 'k', node: 'n', held: none, gone: () => false, now: () => performance.now() })
  expect(await alone.take(firstFree, { signal })).toMatchObject({ from: 0, to: 4 })
})

test('a bucket that does not answer is waited for, and then done without', async () => {
  const bucket = fakeBucket()
  bucket.lose = 'asked'
  const one = claiming('one', { bucket })
  let asked = 0
  const taking = one.take(
    (others) => {
      asked++
      return firstFree(others)
    },
    { signal },
  )
  await vi.advanceTimersByTimeAsync(4_000)
  bucket.lose = 'no'
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await taking).toMatchObject({ from: 0, to: 4 })
  expect(bucket.value?.claims).toHaveLength(1)
  expect(asked).toBeGreaterThan(1)

  bucket.lose = 'asked'
  const two = claiming('two', { bucket })
  expect(await patient(two.take(firstFree, { signal }))).toMatchObject({ from: 0, to: 4 })
})

test('a value that nobody of ours wrote harms nobody', async () => {
  for (const value of [
    'x',
    3,
    { claims: 'x' },
    { claims: [null, { node: 1 }, { node: 'n', from: 'a', to: {}, beat: 0 }] },
    { claims: [], held: [null, { node: 'n', pieces: 'x' }] },
    null,
  ]) {
    const bucket = fakeBucket()
    bucket.put(value as never)
    expect(await claiming('one', { bucket }).take(firstFree, { signal })).toMatchObject({ from: 0, to: 4 })
  }
})

test('a claim gives up when told to, the bucket being away or not', async () => {
  const bucket = fakeBucket()
  await expect(claiming('one', { bucket }).take(firstFree, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  bucket.lose = 'asked'
  const leaving = new AbortController()
  const taking = claiming('one', { bucket }).take(firstFree, { signal: leaving.signal })
  leaving.abort(new Error('enough'))
  await expect(taking).rejects.toThrow('enough')
})

/** The first four that nobody claims. */
function firstFree(others: readonly Claim[]): Range {
  let from = 0
  while (others.some((claim) => from < claim.to && from + 4 > claim.from)) from++
  return { from, to: from + 4 }
}

function claiming(node: string, { bucket, gone = () => false, held = none }: Claiming): Claims {
  return claims({ bucket: async () => bucket.as(node), key: 'k', node, held, gone, now: () => performance.now() })
}

interface Claiming {
  readonly bucket: FakeBucket
  readonly gone?: (node: string) => boolean
  readonly held?: () => Uint8Array
}
const none = () => new Uint8Array()

/** Let time pass until it is there. */
async function patient<T>(wait: PromiseLike<T> | undefined): Promise<T | undefined> {
  let over = false
  const waiting = Promise.resolve(wait).finally(() => (over = true))
  waiting.catch(() => {})
  while (!over) await vi.advanceTimersByTimeAsync(50)
  return await waiting
}

interface FakeBucket {
  value: Agreement | undefined
  /** whether what is asked, or what is answered, is lost */
  lose: 'no' | 'asked' | 'answered'
  /** ms a change takes to be answered, once it is made */
  answerMs: number
  put(value: Agreement): void
  /** Take no changes of one any more. */
  mute(node: string): void
  as(node: string): Bucket<Agreement>
}

/** One value, changed by who has seen it. */
function fakeBucket(): FakeBucket {
  let revision = 0
  const muted = new Set<string>()
  const lost = () => new Failure('unavailable', 'no answer')
  const fake: FakeBucket = {
    value: undefined,
    lose: 'no',
    answerMs: 0,
    put(value) {
      fake.value = value
      revision++
    },
    mute: (node) => void muted.add(node),
    as(node) {
      const set = async (value: Agreement, seen: number): Promise<number | undefined> => {
        if (fake.lose === 'asked' || muted.has(node)) throw lost()
        await Promise.resolve()
        if (seen !== revision) return undefined
        fake.put(structuredClone(value))
        const at = revision
        if (fake.lose === 'answered') throw lost()
        if (fake.answerMs > 0) await new Promise((resolve) => setTimeout(resolve, fake.answerMs))
        return at
      }
      return {
        async get(key) {
          if (fake.lose === 'asked' || muted.has(node)) throw lost()
          return revision === 0 ? undefined : { key, value: structuredClone(fake.value), revision }
        },
        create: (_, value) => set(value, 0),
        update: (_, value, seen) => set(value, seen),
        remove: async () => false,
        async *all() {},
        async *watch() {},
      }
    },
  }
  return fake
}
