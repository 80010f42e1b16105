import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Client } from '../../../messages/grammar/index.ts'
import type { ingest, Status } from '../../../messages/ingest.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { complaint } from '../../support/complaint.ts'
import { type NatsServer, startNats } from '../../support/nats.ts'
import { type Begun, begin, type Ran, type RunningNode, run, startNode } from '../../support/node.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let nats: NatsServer
let node: RunningNode
let bus: Bus
let ingests: Client<typeof ingest>

beforeAll(async () => {
  nats = scope.use(await startNats({ jetstream: true }))
  node = scope.use(await startNode({ args: ['--nats', nats.url, '--only', 'node', 'content', 'ingest'] }))
  bus = await nats.connect()
  ingests = client<typeof ingest>(bus, { node: node.name, actor: 'ingest' })
})
afterAll(() => scope.disposeAsync())

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const fresh = (size: number) => {
  const bytes = randomBytes(size)
  return { bytes, digest: digestOf(bytes) }
}

/** Where an ingest stands; undefined when there is none. */
const active = async (reference: string): Promise<Status | undefined> =>
  (await ingests.list({})).ingests.find((one) => one.reference === reference)
/** Resolves when it has so much. */
const reached = (reference: string, offset: number): Promise<void> =>
  expect.poll(async () => (await active(reference))?.offset, { timeout: 20_000 }).toBe(offset)

const ways = [
  ['into the file it is lent', () => ({ GANTRY_ROOT: node.root })],
  ['over the bus', () => ({ GANTRY_NATS: nats.url, GANTRY_NODE: node.name })],
] as const

describe.each(ways)('standard input %s', (way, env) => {
  const dist = (args: readonly string[], input: string | Uint8Array = ''): Promise<Ran> => run('dist', args, { input, env: env() })
  const beginning = (...args: string[]): Begun => begin('dist', ['ingest', ...args], { env: env() })
  const stored = async (digest: string): Promise<boolean> => (await dist(['path', '-q', digest])).exitCode === 0
  const key = (name: string) => `${name} ${way}`

  /** Have some of an ingest written and left, as Ctrl-C does. */
  async function leftOff(args: string[], reference: string, some: Uint8Array): Promise<void> {
    const { child, ran } = beginning(...args)
    child.stdin.write(some)
    await reached(reference, some.length)
    child.kill('SIGINT')
    expect(await ran).toEqual({ stdout: '', stderr: 'dist: stopped by SIGINT\n', exitCode: 12 })
    expect(await active(reference)).toMatchObject({ state: 'closed', offset: some.length })
  }

  test('becomes a blob, and its digest is said if it was not known', async () => {
    const { bytes, digest } = fresh(3_000_000)
    expect(await dist(['ingest', key('whole')], bytes)).toEqual({ stdout: `${digest}\n`, stderr: '', exitCode: 0 })
    expect(await stored(digest)).toBe(true)
    expect(await active(key('whole'))).toBeUndefined()
  })

  test('with digest and size known says nothing, or what it became as JSON', async () => {
    const { bytes, digest } = fresh(200_000)
    const known = ['--expected-digest', digest, '--expected-size', String(bytes.length)]
    expect(await dist(['ingest', ...known, key('known')], bytes)).toEqual({ stdout: '', stderr: '', exitCode: 0 })
    const another = fresh(10)
    expect(JSON.parse((await dist(['ingest', '--json', key('json')], another.bytes)).stdout)).toMatchObject({
      digest: another.digest,
      size: 10,
    })
  })

  test('that is nothing is a blob too', async () => {
    const { exitCode, stderr } = await dist(['ingest', '--expected-size', '0', key('nothing')])
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: way === ways[0][0] ? '' : `dist: ${digestOf(new Uint8Array())} is content already\n`,
    })
  })

  test('under no key is named by the digest expected', async () => {
    const { bytes, digest } = fresh(100)
    await leftOff(['--expected-digest', digest], digest.replace(':', '-'), bytes.subarray(0, 50))
    expect(await dist(['ingest', '--expected-digest', digest], bytes)).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('is not read when the digest is content already', async () => {
    const { bytes, digest } = fresh(1000)
    await dist(['ingest', key('first')], bytes)
    // its input stays open
    const { ran } = beginning('--expected-digest', digest, key('second'))
    expect(await ran).toEqual({ stdout: '', stderr: `dist: ${digest} is content already\n`, exitCode: 0 })
    expect(await dist(['ingest', key('third')], bytes)).toEqual({ stdout: '', stderr: `dist: ${digest} is content already\n`, exitCode: 0 })
  })

  test('left off is gone on with at the byte reached', async () => {
    const { bytes, digest } = fresh(1_500_000)
    const args = ['--expected-digest', digest, '--expected-size', String(bytes.length), key('resumed')]
    await leftOff(args, key('resumed'), bytes.subarray(0, 700_001))
    const before = (await active(key('resumed')))?.startedAt
    const { child, ran } = beginning(...args)
    child.stdin.write(bytes.subarray(0, 700_000))
    await expect.poll(async () => (await active(key('resumed')))?.state, { timeout: 20_000 }).not.toBe('closed')
    expect(await active(key('resumed'))).toMatchObject({ offset: 700_001, startedAt: before })
    child.stdin.end(bytes.subarray(700_000))
    expect(await ran).toEqual({ stdout: '', stderr: '', exitCode: 0 })
    expect(await stored(digest)).toBe(true)
  })

  test('that is another than before under the same key is what counts', async () => {
    const before = fresh(900_000).bytes
    await leftOff([key('other')], key('other'), before)
    const now = fresh(1_000_000)
    now.bytes.set(before.subarray(0, 400_000))
    const digest = digestOf(now.bytes)
    expect(await dist(['ingest', key('other')], now.bytes)).toEqual({ stdout: `${digest}\n`, stderr: '', exitCode: 0 })
  })

  test('that is shorter than before under the same key is what counts', async () => {
    const { bytes } = fresh(900_000)
    await leftOff([key('shorter')], key('shorter'), bytes)
    const less = bytes.subarray(0, 300_000)
    expect(await dist(['ingest', key('shorter')], less)).toEqual({ stdout: `${digestOf(less)}\n`, stderr: '', exitCode: 0 })
  })

  test.each([
    ['shorter', 500, /ended after 500 of the 600 bytes expected$/],
    ['longer', 700, /more than the 600 bytes expected$/],
  ])('%s than expected is refused, and what came stays', async (name, size, why) => {
    const { bytes, digest } = fresh(size)
    const failed = await dist(['ingest', '--expected-size', '600', key(`size ${name}`)], bytes)
    expect(complaint(failed, 'failed_precondition')).toMatch(why)
    expect(await active(key(`size ${name}`))).toMatchObject({ state: 'closed' })
    expect(await stored(digest)).toBe(false)
    expect(await dist(['abort', key(`size ${name}`)])).toEqual({ stdout: `${key(`size ${name}`)}\n`, stderr: '', exitCode: 0 })
  })

  test('of another digest than expected is refused, and the right one is taken after it', async () => {
    const { bytes, digest } = fresh(100_000)
    const wrong = Buffer.from(bytes)
    wrong[50_000] = ~(wrong[50_000] ?? 0)
    const args = ['ingest', '--expected-digest', digest, key('mismatch')]
    expect(complaint(await dist(args, wrong), 'failed_precondition')).toContain(digestOf(wrong))
    expect(await stored(digest)).toBe(false)
    expect(await active(key('mismatch'))).toMatchObject({ state: 'closed' })
    // where it cannot be seen what lies there, the first try finds out
    if (way === 'over the bus') expect(await dist(args, bytes)).toMatchObject({ exitCode: 5 })
    expect(await dist(args, bytes)).toEqual({ stdout: '', stderr: '', exitCode: 0 })
    expect(await stored(digest)).toBe(true)
  })

  describe('that another brings already', () => {
    /** Two commands for one blob: the first has some of it, the second waits to be told. */
    async function two(name: string) {
      const { bytes, digest } = fresh(1000)
      const args = ['--expected-digest', digest, key(name)]
      const first = beginning(...args)
      first.child.stdin.write(bytes.subarray(0, 500))
      await reached(key(name), 500)
      const waits = Promise.withResolvers<void>()
      await using _watching = bus.subscribe(`gantry.${node.name}.ingest.follow`, () => waits.resolve())
      const second = beginning(...args)
      await waits.promise
      return { bytes, digest, first, second }
    }

    test('is waited for', async () => {
      const { bytes, digest, first, second } = await two('both')
      first.child.stdin.end(bytes.subarray(500))
      expect(await first.ran).toEqual({ stdout: '', stderr: '', exitCode: 0 })
      expect(await second.ran).toEqual({ stdout: '', stderr: `dist: ${digest} is content already\n`, exitCode: 0 })
    })

    test('is gone on with when the other leaves off', async () => {
      const { bytes, digest, first, second } = await two('heir')
      first.child.kill('SIGINT')
      expect(await first.ran).toMatchObject({ exitCode: 12 })
      second.child.stdin.end(bytes)
      expect(await second.ran).toEqual({ stdout: '', stderr: '', exitCode: 0 })
      expect(await stored(digest)).toBe(true)
    })

    test('is begun anew when the other is done with something else', async () => {
      const [one, other] = [fresh(10), fresh(20)]
      const first = beginning(key('unlike'))
      first.child.stdin.write(one.bytes)
      await reached(key('unlike'), 10)
      const second = beginning(key('unlike'))
      second.child.stdin.end(other.bytes)
      first.child.stdin.end()
      expect((await first.ran).stdout).toBe(`${one.digest}\n`)
      expect((await second.ran).stdout).toBe(`${other.digest}\n`)
    })

    test('may be waited for no longer than --timeout', async () => {
      const { first, second } = await two('patience')
      second.child.kill('SIGTERM')
      expect(await second.ran).toEqual({ stdout: '', stderr: 'dist: stopped by SIGTERM\n', exitCode: 12 })
      const late = await dist(['ingest', '--timeout', '1s', key('patience')])
      expect(late).toEqual({ stdout: '', stderr: 'dist: ingest: not done within 1000 ms\n', exitCode: 11 })
      first.child.kill('SIGINT')
      await first.ran
    })
  })

  test('without key and digest is refused before anything is read', async () => {
    expect(complaint(await dist(['ingest']), 'invalid_argument')).toContain('neither a key nor --expected-digest is given')
  })

  test.each([
    ['--expected-digest', 'nonsense'],
    ['--expected-digest', `sha256:${'0'.repeat(63)}`],
    ['--expected-size', '-1'],
    ['--expected-size', '1.5'],
  ])('with %s %s is refused', async (option, value) => {
    const { exitCode, stderr, stdout } = await dist(['ingest', `${option}=${value}`, key('bad')])
    expect({ exitCode, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ exitCode: 2, stdout: '', lines: 1 })
  })
})

test('standard input over the bus goes on when NATS was away', async () => {
  const { bytes, digest } = fresh(4_000_000)
  const { child, ran } = begin('dist', ['ingest', '--expected-digest', digest, 'away'], {
    env: { GANTRY_NATS: nats.url, GANTRY_NODE: node.name },
  })
  child.stdin.write(bytes.subarray(0, 2_000_000))
  await reached('away', 2_000_000)
  await nats.kill()
  child.stdin.end(bytes.subarray(2_000_000))
  await nats.restart()
  expect(await ran).toEqual({ stdout: '', stderr: '', exitCode: 0 })
}, 60_000)
