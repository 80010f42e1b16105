import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { call, event, Failure, feed, type Handlers, isFailure, type Log, nodeName } from '../../../messages/grammar/index.ts'
import { Bytes } from '../../../messages/words/index.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { gather } from '../../../runtime/bus/gather.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import { serve } from '../../../runtime/bus/serve.ts'
import { startNats } from '../../support/nats.ts'

/** An actor that does what it is asked, for every way an answer can go. */
const parrot = {
  say: call('Say it again.', {
    request: z.object({ text: z.string().min(1), times: z.int().default(1) }),
    reply: z.object({ text: z.string() }),
    example: { text: 'hi' },
  }),
  refuse: call('Refuse.', {
    request: z.object({ code: z.string() }),
    reply: z.object({}),
    failures: ['not_found'],
    example: { code: 'not_found' },
  }),
  wait: call('Wait until told to stop.', { request: z.object({}), reply: z.object({}), example: {} }),
  carry: call('Give back bytes.', { request: z.object({ bytes: Bytes }), reply: z.object({ bytes: Bytes }), example: { bytes: 'aGk=' } }),
  grow: call('Answer so many bytes.', { request: z.object({ size: z.int() }), reply: z.object({ bytes: Bytes }), example: { size: 1 } }),
  lie: call('Answer something else than declared.', { request: z.object({}), reply: z.object({ count: z.int() }), example: {} }),
  count: feed('Count.', {
    request: z.object({ to: z.int(), failing: z.string().optional() }),
    item: z.object({ n: z.int() }),
    failures: ['data_loss'],
    example: { to: 3 },
  }),
  silence: feed('Say nothing until told to stop.', { request: z.object({}), item: z.object({}), example: {} }),
  said: event('It was said.', z.object({ text: z.string() }), { entity: 'text' }),
} as const

/** What handlers saw, and what they can be made to do. */
class Cage {
  readonly signals: AbortSignal[] = []
  readonly traces: string[] = []
  readonly lines: { level: string; fields: object; message: string }[] = []
  produced = 0
  readonly entered = Promise.withResolvers<void>()
  readonly left = Promise.withResolvers<void>()

  readonly log: Log = {
    debug: (fields, message) => void this.lines.push({ level: 'debug', fields, message }),
    info: (fields, message) => void this.lines.push({ level: 'info', fields, message }),
    warn: (fields, message) => void this.lines.push({ level: 'warn', fields, message }),
    error: (fields, message) => void this.lines.push({ level: 'error', fields, message }),
  }

  readonly handlers: Handlers<typeof parrot> = {
    say: ({ text, times }, { trace, log }) => {
      this.traces.push(trace)
      log.info({ text }, 'said')
      return { text: text.repeat(times) }
    },
    refuse: ({ code }, { fail }) => {
      if (code === 'plain') throw new Error('a plain error')
      if (code === 'not_found') fail('not_found', 'refuse: as told', { told: true })
      throw new Failure(code as 'data_loss', 'refuse: as told')
    },
    wait: async (_, { signal }) => {
      await this.#stay(signal)
      return {}
    },
    carry: ({ bytes }) => ({ bytes }),
    grow: ({ size }) => ({ bytes: new Uint8Array(size) }),
    lie: () => ({ count: 'three' }) as never,
    count: async function* (this: Cage, { to, failing }: { to: number; failing?: string | undefined }) {
      try {
        for (let n = 1; n <= to; n++) {
          this.produced = n
          yield { n }
        }
        if (failing) throw new Failure('data_loss', failing)
      } finally {
        this.left.resolve()
      }
    }.bind(this),
    silence: async function* (this: Cage, _: unknown, { signal }: { signal: AbortSignal }) {
      await this.#stay(signal)
      yield {}
    }.bind(this),
  }

  async #stay(signal: AbortSignal): Promise<never> {
    this.signals.push(signal)
    this.entered.resolve()
    try {
      return await new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason)
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    } finally {
      this.left.resolve()
    }
  }
}

interface Talk extends AsyncDisposable {
  /** the caller's end */
  readonly bus: Bus
  /** the actor's end */
  readonly home: Bus
}

async function onNats(): Promise<Talk> {
  const nats = await startNats()
  return { bus: await nats.connect(), home: await nats.connect(), [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() }
}

async function inMemory(): Promise<Talk> {
  const bus = memoryBus()
  return { bus, home: bus, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
}

const by = (bus: Bus, cage: Cage, node = 'n1', only?: 'node') =>
  serve(bus, { node, actor: 'parrot', protocol: parrot, handlers: cage.handlers, log: cage.log, only, version: '1.2.3' })

const asking = (bus: Bus, node = 'n1') => client<typeof parrot>(bus, { node, actor: 'parrot' }, { heartbeatMs: 100 })

const raw = async (bus: Bus, subject: string, body = '', headers: Record<string, string> = {}) => {
  const reply = await bus.request(subject, { headers, payload: Buffer.from(body) }, { timeoutMs: 5_000 })
  return { headers: reply.headers, body: reply.payload.length > 0 ? JSON.parse(Buffer.from(reply.payload).toString()) : undefined }
}

describe.each([
  ['in memory', inMemory],
  ['on NATS', onNats],
])('an actor %s', (_, open) => {
  test('answers calls under its name, as any and as all', async () => {
    await using talk = await open()
    await using _one = await by(talk.home, new Cage(), 'n1')
    await using _two = await by(talk.home, new Cage(), 'n2')
    expect(await asking(talk.bus, 'n1').say({ text: 'hi', times: 2 })).toEqual({ text: 'hihi' })
    expect(await asking(talk.bus, 'any').say({ text: 'hi' })).toEqual({ text: 'hi' })
    const answers = await Array.fromAsync(gather<typeof parrot, 'say'>(talk.bus, 'parrot', 'say', { text: 'hi' }, { enough: 2 }))
    expect(answers.map(({ node }) => node).sort()).toEqual(['n1', 'n2'])
  })

  test('that is for its node only does not answer as any or as all', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage(), 'n1', 'node')
    expect(await asking(talk.bus).say({ text: 'hi' })).toEqual({ text: 'hi' })
    await expect(asking(talk.bus, 'any').say({ text: 'hi' })).rejects.toMatchObject({ code: 'unavailable' })
    expect(await Array.fromAsync(gather<typeof parrot, 'say'>(talk.bus, 'parrot', 'say', { text: 'hi' }))).toEqual([])
  })

  test('gathers failures beside replies, and stops when nobody has said anything for a while', async () => {
    await using talk = await open()
    await using _one = await by(talk.home, new Cage(), 'n1')
    const answers = await Array.fromAsync(
      gather<typeof parrot, 'refuse'>(talk.bus, 'parrot', 'refuse', { code: 'not_found' }, { stallMs: 50 }),
    )
    expect(answers).toMatchObject([{ node: 'n1', failure: { code: 'not_found' } }])
  })

  test('is spoken to by hand in JSON, an empty request being {}', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    expect(await raw(talk.bus, 'gantry.n1.parrot.say', '{"text":"hi"}')).toMatchObject({ body: { text: 'hi' } })
    expect(await raw(talk.bus, 'gantry.n1.parrot.carry', '{"bytes":"aGk="}')).toMatchObject({ body: { bytes: 'aGk=' } })
    expect(await raw(talk.bus, 'gantry.n1.parrot.say')).toMatchObject({ body: { error: { code: 'invalid_argument' } } })
  })

  test('does nothing for who names no inbox', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    talk.bus.publish('gantry.n1.parrot.say', { headers: {}, payload: Buffer.from('{"text":"hi"}') })
    await talk.bus.flush()
    await asking(talk.bus).say({ text: 'asked' })
    expect(cage.traces).toHaveLength(1)
  })

  test('gives bytes as bytes to a program', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    expect(Array.from((await asking(talk.bus).carry({ bytes })).bytes)).toEqual(Array.from(bytes))
  })

  test('refuses what is not as declared, naming the field', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    const refused = asking(talk.bus).say({ text: 'hi', times: 'two' as never })
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(/^ask parrot\.say: times: /) })
    for (const body of ['{', '"text"', '[]', '{{Random}}']) {
      expect(await raw(talk.bus, 'gantry.n1.parrot.say', body)).toMatchObject({ body: { error: { code: 'invalid_argument' } } })
    }
    const garbled = await talk.bus.request(
      'gantry.n1.parrot.say',
      { headers: { 'Content-Type': 'application/msgpack' }, payload: Buffer.from([0xc1]) },
      { timeoutMs: 5_000 },
    )
    expect(garbled.headers['Nats-Service-Error-Code']).toBe('400')
    expect(cage.traces).toEqual([])
  })

  test('says a failure in headers and body, with its details', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    await expect(asking(talk.bus).refuse({ code: 'not_found' })).rejects.toMatchObject({
      code: 'not_found',
      message: 'refuse: as told',
      details: { told: true },
    })
    expect(await raw(talk.bus, 'gantry.n1.parrot.refuse', '{"code":"not_found"}')).toMatchObject({
      headers: { 'Nats-Service-Error': 'refuse: as told', 'Nats-Service-Error-Code': '404' },
      body: { error: { code: 'not_found', message: 'refuse: as told', details: { told: true } } },
    })
  })

  test('turns a failure it does not declare into internal, and logs it loudly', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    await expect(asking(talk.bus).refuse({ code: 'data_loss' })).rejects.toMatchObject({ code: 'internal' })
    await expect(asking(talk.bus).refuse({ code: 'plain' })).rejects.toMatchObject({ code: 'internal', message: 'a plain error' })
    expect(cage.lines.map(({ level }) => level)).toEqual(['error', 'error'])
    expect(cage.lines[0]).toMatchObject({ fields: { actor: 'parrot', verb: 'refuse', code: 'data_loss' } })
  })

  test('is found out in tests when its answer is not as declared', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    await expect(asking(talk.bus).lie({})).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('count') })
  })

  test('fails an answer too large for the bus, and goes on', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    await expect(asking(talk.bus).grow({ size: talk.bus.maxPayload })).rejects.toMatchObject({ code: 'out_of_range' })
    expect((await asking(talk.bus).grow({ size: 1_000 })).bytes.length).toBe(1_000)
  })

  test('carries on a trace, or begins one, and logs its id', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await asking(talk.bus).say({ text: 'hi' }, { trace })
    await raw(talk.bus, 'gantry.n1.parrot.say', '{"text":"hi"}')
    expect(cage.traces[0]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
    expect(cage.traces[0]).not.toBe(trace)
    expect(cage.traces[1]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(cage.lines[0]).toMatchObject({ fields: { trace: '0af7651916cd43dd8448eb211c80319c', actor: 'parrot', verb: 'say', text: 'hi' } })
  })

  test('stops when its caller gives up', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    const stop = new AbortController()
    const waiting = asking(talk.bus).wait({}, { signal: stop.signal })
    waiting.catch(() => {})
    await cage.entered.promise
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
    await cage.left.promise
    expect(cage.signals[0]?.reason).toMatchObject({ code: 'cancelled' })
  })

  test('is not even asked by a caller that gave up before', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    await expect(asking(talk.bus).say({ text: 'hi' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
    await asking(talk.bus).say({ text: 'ho' })
    expect(cage.traces.length).toBe(1)
  })

  test('stops when the time its caller gave has passed', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    await expect(asking(talk.bus).wait({}, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
    await cage.left.promise
    expect(cage.signals[0]?.reason).toMatchObject({ code: 'deadline_exceeded' })
  })

  test('tells two calls under one id apart, and stops both when it ends', async () => {
    await using talk = await open()
    const cage = new Cage()
    const ending = await by(talk.home, cage)
    const ask = () => raw(talk.bus, 'gantry.n1.parrot.wait', '', { 'Gantry-Call': 'mine' })
    const both = Promise.all([ask(), ask()])
    await cage.entered.promise
    await talk.bus.flush()
    await asking(talk.bus).say({ text: 'hi' })
    await ending[Symbol.asyncDispose]()
    expect((await both).map(({ body }) => body.error.code)).toEqual(['unavailable', 'unavailable'])
  })

  test('that ends stops what it is doing, says so, and waits for it', async () => {
    await using talk = await open()
    const cage = new Cage()
    const ending = await by(talk.home, cage)
    const waiting = asking(talk.bus).wait({})
    const failed = expect(waiting).rejects.toMatchObject({ code: 'unavailable', message: 'the node is stopping' })
    await cage.entered.promise
    await ending[Symbol.asyncDispose]()
    await cage.left.promise
    await failed
    await expect(asking(talk.bus).say({ text: 'hi' })).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('feeds item after item, then ends', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    expect(await Array.fromAsync(asking(talk.bus).count({ to: 3 }))).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    expect(await Array.fromAsync(asking(talk.bus).count({ to: 0 }))).toEqual([])
  })

  test('fails a feed after its last item', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    const got: number[] = []
    const failed = (async () => {
      for await (const { n } of asking(talk.bus).count({ to: 2, failing: 'lost it' })) got.push(n)
    })()
    await expect(failed).rejects.toMatchObject({ code: 'data_loss', message: 'lost it' })
    expect(got).toEqual([1, 2])
    const refused = Array.fromAsync(asking(talk.bus).count({ to: 'three' as never }))
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  test('shows a person every item, the failure, and an empty message, nothing else', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    const bodies: string[] = []
    const request = { headers: {}, payload: Buffer.from('{"to":2,"failing":"lost it"}') }
    for await (const { payload } of talk.bus.requestMany('gantry.n1.parrot.count', request, { timeoutMs: 5_000 })) {
      bodies.push(Buffer.from(payload).toString())
      if (payload.length === 0) break
    }
    expect(bodies).toEqual(['{"n":1}', '{"n":2}', '{"error":{"code":"data_loss","message":"lost it"}}', ''])
  })

  test('stops a feed whose reader leaves', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    for await (const { n } of asking(talk.bus).count({ to: 1_000_000 })) if (n === 3) break
    await cage.left.promise
    expect(cage.produced).toBeLessThan(1_000)
  })

  test('does not run ahead of a slow reader', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    let most = 0
    for await (const { n } of asking(talk.bus).count({ to: 500 })) {
      for (let turn = 0; turn < 3; turn++) await talk.bus.flush()
      most = Math.max(most, cage.produced - n)
    }
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(64)
  })

  test('keeps a silent feed alive, and stops it when told', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    const stop = new AbortController()
    const reading = Array.fromAsync(asking(talk.bus).silence({}, { signal: stop.signal }))
    reading.catch(() => {})
    await cage.entered.promise
    let beats = 0
    const seen = Promise.withResolvers<void>()
    await using _watch = talk.bus.subscribe('gantry.n1.bus.pace', () => {
      beats += 1
      if (beats === 6) seen.resolve()
    })
    await seen.promise // longer than either side bears without a sign
    expect(cage.signals[0]?.aborted).toBe(false)
    stop.abort()
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    await cage.left.promise
  })

  test('ends a feed whose reader is gone without a word', async () => {
    await using talk = await open()
    const cage = new Cage()
    await using _parrot = await by(talk.home, cage)
    const headers = { 'Gantry-Heartbeat': '10', 'Gantry-Window': '8', 'Gantry-Call': 'mine' }
    for await (const { headers: beat } of talk.bus.requestMany(
      'gantry.n1.parrot.silence',
      { headers, payload: new Uint8Array() },
      { timeoutMs: 5_000 },
    )) {
      if (beat['Gantry-Heartbeat']) break
    }
    await cage.left.promise
    expect(cage.signals[0]?.reason).toMatchObject({ code: 'cancelled', message: 'the caller is gone' })
  })

  test('that is mute fails its feeds with unavailable', async () => {
    await using talk = await open()
    await using _mute = talk.home.subscribe('gantry.n1.parrot.silence', () => {})
    await _mute.ready
    await expect(Array.fromAsync(asking(talk.bus).silence({}))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('is found, described and counted by the services protocol', async () => {
    await using talk = await open()
    await using _parrot = await by(talk.home, new Cage())
    await asking(talk.bus).say({ text: 'hi' })
    await asking(talk.bus)
      .refuse({ code: 'not_found' })
      .catch(() => {})
    const ping = await raw(talk.bus, '$SRV.PING')
    expect(ping.body).toMatchObject({
      type: 'io.nats.micro.v1.ping_response',
      name: 'gantry-parrot',
      version: '1.2.3',
      metadata: { node: 'n1' },
    })
    const info = await raw(talk.bus, `$SRV.INFO.gantry-parrot.${ping.body.id}`)
    expect(info.body.type).toBe('io.nats.micro.v1.info_response')
    const carry = info.body.endpoints.find(({ name }: { name: string }) => name === 'carry')
    expect(carry).toMatchObject({ subject: 'gantry.n1.parrot.carry', metadata: { kind: 'call', description: 'Give back bytes.' } })
    expect(JSON.parse(carry.metadata.request)).toMatchObject({
      properties: { bytes: expect.anything() },
      $defs: { Bytes: { type: 'string', contentEncoding: 'base64' } },
    })
    for (const { metadata } of info.body.endpoints) for (const value of Object.values(metadata)) expect(value).toBeTypeOf('string')
    const stats = await raw(talk.bus, '$SRV.STATS.gantry-parrot')
    const named = Object.fromEntries(stats.body.endpoints.map((endpoint: { name: string }) => [endpoint.name, endpoint]))
    expect(named.say).toMatchObject({ num_requests: 1, num_errors: 0, last_error: '', processing_time: expect.any(Number) })
    expect(named.refuse).toMatchObject({ num_requests: 1, num_errors: 1, last_error: 'not_found: refuse: as told' })
    expect(named.said).toBeUndefined()
  })
})

test('a restart of NATS fails a feed with unavailable and stops its handler; the actor answers again', async () => {
  await using nats = await startNats()
  const [bus, home] = [await nats.connect(), await nats.connect()]
  const cage = new Cage()
  await using _parrot = await by(home, cage)
  const reading = Array.fromAsync(asking(bus).silence({}))
  reading.catch(() => {})
  await cage.entered.promise
  const back = Promise.all(
    [bus, home].map((one) => new Promise<void>((resolve) => one.onStatus((status) => status === 'connected' && resolve()))),
  )
  await nats.restart()
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  await cage.left.promise
  await back
  await home.flush()
  expect(await asking(bus).say({ text: 'hi' })).toEqual({ text: 'hi' })
})

test('a node is not named by a word of the grammar', () => {
  for (const name of ['any', 'all', 'event', 'blob', 'N1', 'a.b', '', 'a'.repeat(33)]) {
    expect(() => nodeName(name)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  }
  expect(nodeName('n-1')).toBe('n-1')
  expect(isFailure(new Failure('internal', 'x'), 'internal')).toBe(true)
})
