/** What every bus does, whichever it is. */
import { describe, expect, test } from 'vitest'
import type { Bus, Delivery, Packet } from '../../runtime/bus/bus.ts'

/** Two ends of one bus; they may be the same. */
export interface Ends extends AsyncDisposable {
  readonly near: Bus
  readonly far: Bus
}

const packet = (text = '', headers: Packet['headers'] = {}): Packet => ({ headers, payload: Buffer.from(text) })
const text = ({ payload }: Packet): string => Buffer.from(payload).toString()
const soon = { timeoutMs: 5_000 }

/** Answers with its own word and what it was asked. */
const echo =
  (word: string) =>
  (delivery: Delivery): void =>
    delivery.respond?.(packet(`${word} ${text(delivery)}`))

export function busConformance(name: string, open: () => Promise<Ends>): void {
  describe(`bus: ${name}`, () => {
    test('a request is answered, headers and bytes unchanged both ways', async () => {
      await using ends = await open()
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      let got: Delivery | undefined
      await ends.far.subscribe('t.echo', (delivery) => {
        got = delivery
        delivery.respond?.({ headers: { Back: 'again: and again' }, payload: delivery.payload })
      }).ready
      const reply = await ends.near.request('t.echo', { headers: { There: 'ünd', Two: '2' }, payload: bytes }, soon)
      expect(got?.subject).toBe('t.echo')
      expect(got?.headers).toEqual({ There: 'ünd', Two: '2' })
      expect(reply.headers).toEqual({ Back: 'again: and again' })
      expect(Array.from(reply.payload)).toEqual(Array.from(bytes))
    })

    test('nobody listening is unavailable at once', async () => {
      await using ends = await open()
      await expect(ends.near.request('t.nobody', packet(), soon)).rejects.toMatchObject({
        code: 'unavailable',
        message: 'ask t.nobody: nobody listens',
      })
      await expect(firstOf(ends.near.requestMany('t.nobody', packet(), soon))).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('no answer in time is deadline_exceeded', async () => {
      await using ends = await open()
      await ends.far.subscribe('t.mute', () => {}).ready
      await expect(ends.near.request('t.mute', packet(), { timeoutMs: 20 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
      await expect(firstOf(ends.near.requestMany('t.mute', packet(), { timeoutMs: 20 }))).rejects.toMatchObject({
        code: 'deadline_exceeded',
      })
    })

    test('a request gives up when told to, before and meanwhile', async () => {
      await using ends = await open()
      const asked = Promise.withResolvers<void>()
      let heard = 0
      await ends.far.subscribe('t.mute', () => {
        heard += 1
        asked.resolve()
      }).ready
      await expect(ends.near.request('t.mute', packet(), { ...soon, signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'cancelled',
      })
      const stop = new AbortController()
      const waiting = ends.near.request('t.mute', packet(), { ...soon, signal: stop.signal })
      await asked.promise
      stop.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
      await ends.near.flush()
      expect(heard).toBe(1)
    })

    test('many replies come in order until the caller leaves', async () => {
      await using ends = await open()
      await ends.far.subscribe('t.count', ({ respond }) => {
        for (let i = 0; i < 1_000; i++) respond?.(packet(String(i)))
      }).ready
      const got: string[] = []
      for await (const reply of ends.near.requestMany('t.count', packet(), soon)) {
        got.push(text(reply))
        if (got.length === 500) break
      }
      expect(got).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
    })

    test('every listener hears what is published, one member of each queue', async () => {
      await using ends = await open()
      const heard: string[] = []
      const hear = (who: string) => () => void heard.push(who)
      await ends.far.subscribe('t.news', hear('a')).ready
      await ends.near.subscribe('t.news', hear('b')).ready
      await ends.far.subscribe('t.news', hear('queue'), { queue: 'q' }).ready
      await ends.near.subscribe('t.news', hear('queue'), { queue: 'q' }).ready
      await ends.near.subscribe('t.news', hear('other queue'), { queue: 'r' }).ready
      ends.near.publish('t.news', packet())
      await roundTrip(ends)
      expect(heard.sort()).toEqual(['a', 'b', 'other queue', 'queue'])
    })

    test('a queue shares its work', async () => {
      await using ends = await open()
      await ends.far.subscribe('t.work', echo('far'), { queue: 'q' }).ready
      await ends.near.subscribe('t.work', echo('near'), { queue: 'q' }).ready
      const answers = await Promise.all(Array.from({ length: 64 }, () => ends.near.request('t.work', packet(), soon)))
      expect(new Set(answers.map(text))).toEqual(new Set(['far ', 'near ']))
    })

    test('* stands for one token, > for the rest', async () => {
      await using ends = await open()
      const heard: string[] = []
      const patterns = ['t.*.c', 't.>', 't.b.*', '*.b.c', 't.b', 't.b.c.>']
      for (const pattern of patterns) await ends.far.subscribe(pattern, () => void heard.push(pattern)).ready
      ends.near.publish('t.b.c', packet())
      await roundTrip(ends)
      expect(heard.sort()).toEqual(['*.b.c', 't.*.c', 't.>', 't.b.*'])
    })

    test('what is published has no answer to give', async () => {
      await using ends = await open()
      const heard = Promise.withResolvers<Delivery>()
      await ends.far.subscribe('t.news', heard.resolve).ready
      ends.near.publish('t.news', packet())
      expect((await heard.promise).respond).toBeUndefined()
    })

    test('an interest that has ended hears nothing', async () => {
      await using ends = await open()
      let heard = 0
      const interest = ends.near.subscribe('t.news', () => void heard++)
      await interest.ready
      await interest[Symbol.asyncDispose]()
      ends.near.publish('t.news', packet())
      await roundTrip(ends)
      expect(heard).toBe(0)
      await expect(ends.near.request('t.news', packet(), soon)).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('a packet that is too large is out_of_range, wherever it is sent, and the bus goes on', async () => {
      await using ends = await open()
      const large = { headers: {}, payload: new Uint8Array(ends.near.maxPayload + 1) }
      const refused = Promise.withResolvers<unknown>()
      await ends.far.subscribe('t.large', ({ respond }) => {
        try {
          respond?.(large)
        } catch (error) {
          refused.resolve(error)
        }
        respond?.(packet('small'))
      }).ready
      expect(() => ends.near.publish('t.large', large)).toThrow(expect.objectContaining({ code: 'out_of_range' }))
      await expect(ends.near.request('t.large', large, soon)).rejects.toMatchObject({ code: 'out_of_range' })
      expect(text(await ends.near.request('t.large', packet(), soon))).toBe('small')
      expect(await refused.promise).toMatchObject({ code: 'out_of_range' })
    })

    test('a packet as large as can be passes, with headers', async () => {
      await using ends = await open()
      await ends.far.subscribe('t.echo', (delivery) => delivery.respond?.(delivery)).ready
      const headers = { Long: 'x'.repeat(4_096) }
      const reply = await ends.near.request('t.echo', { headers, payload: new Uint8Array(ends.near.maxPayload) }, soon)
      expect(reply.payload.length).toBe(ends.near.maxPayload)
    })

    test('a handler that throws harms nobody else', async () => {
      await using ends = await open()
      await ends.far.subscribe('t.throw', () => {
        throw new Error('a handler that throws, as the test wants it')
      }).ready
      await ends.far.subscribe('t.throw', echo('still')).ready
      expect(text(await ends.near.request('t.throw', packet('here'), soon))).toBe('still here')
      expect(text(await ends.near.request('t.throw', packet('there'), soon))).toBe('still there')
    })

    test('a subject that is none is invalid_argument', async () => {
      await using ends = await open()
      for (const subject of ['', 'a b', 'a..b', '.a', 'a\r\nPUB b 0', 'a.']) {
        expect(() => ends.near.publish(subject, packet())).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
        await expect(ends.near.request(subject, packet(), soon)).rejects.toMatchObject({ code: 'invalid_argument' })
      }
    })

    test('disposing ends what is waited for, and what comes after, with unavailable', async () => {
      await using ends = await open()
      const asked = Promise.withResolvers<void>()
      await ends.near.subscribe('t.mute', () => asked.resolve()).ready
      const waiting = ends.near.request('t.mute', packet(), soon)
      waiting.catch(() => {})
      await asked.promise
      await ends.near[Symbol.asyncDispose]()
      await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
      expect(() => ends.near.publish('t.mute', packet())).toThrow(expect.objectContaining({ code: 'unavailable' }))
      await expect(ends.near.request('t.mute', packet(), soon)).rejects.toMatchObject({ code: 'unavailable' })
    })
  })
}

/** Everything near sent, or had sent to it, before this has been delivered. */
async function roundTrip({ near, far }: Ends): Promise<void> {
  await near.flush()
  await far.flush()
  await near.flush()
}

async function firstOf(replies: AsyncIterable<Packet>): Promise<Packet | undefined> {
  for await (const reply of replies) return reply
  return undefined
}
