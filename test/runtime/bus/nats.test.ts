import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { connectionOf, connectNats } from '../../../runtime/bus/nats.ts'
import { busConformance } from '../../conformance/bus.ts'
import { startNats } from '../../support/nats.ts'

busConformance('NATS', async () => {
  const nats = await startNats()
  return { near: await nats.connect(), far: await nats.connect(), [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() }
})

const nothing = { headers: {}, payload: new Uint8Array() }

/** Resolves when the bus next says so. */
function next(bus: Bus, wanted: 'connected' | 'disconnected'): Promise<void> {
  return new Promise((resolve) => {
    const watch = bus.onStatus((status) => {
      if (status !== wanted) return
      watch[Symbol.dispose]()
      resolve()
    })
  })
}

describe('a connection to NATS', () => {
  test('is given up when told to', async () => {
    await using nats = await startNats()
    await expect(nats.connect({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    nats.freeze()
    await expect(nats.connect({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'deadline_exceeded' })
  })

  test('to a server that accepts but does not talk fails in the time given', async () => {
    await using nats = await startNats()
    nats.freeze()
    await expect(nats.connect({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
  })

  test('fails what was asked when the server dies, and publishing while it is away', async () => {
    await using nats = await startNats()
    const bus = await nats.connect()
    const asked = Promise.withResolvers<void>()
    await bus.subscribe('t.mute', () => asked.resolve()).ready
    const waiting = bus.request('t.mute', nothing, { timeoutMs: 60_000 })
    waiting.catch(() => {})
    await asked.promise
    const lost = next(bus, 'disconnected')
    await nats.kill()
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
    await lost
    expect(() => bus.publish('t.mute', nothing)).toThrow(expect.objectContaining({ code: 'unavailable' }))
    await expect(bus.request('t.mute', nothing, { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'unavailable' })
    await expect(bus.flush()).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('comes back by itself with its interests, also those declared meanwhile', async () => {
    await using nats = await startNats()
    const bus = await nats.connect()
    await bus.subscribe('t.before', ({ respond }) => respond?.(nothing)).ready
    const lost = next(bus, 'disconnected')
    const back = next(bus, 'connected')
    await nats.kill()
    await lost
    const meanwhile = bus.subscribe('t.meanwhile', ({ respond }) => respond?.(nothing))
    await nats.restart()
    await back
    await meanwhile.ready
    await bus.request('t.before', nothing, { timeoutMs: 5_000 })
    await bus.request('t.meanwhile', nothing, { timeoutMs: 5_000 })
  })

  test('under load, a restart of the server fails some requests and hangs none', async () => {
    await using nats = await startNats()
    const [asking, answering] = [await nats.connect(), await nats.connect()]
    await answering.subscribe('t.work', ({ respond }) => respond?.({ headers: {}, payload: new Uint8Array(16 * 1024) })).ready
    let restarted = false
    let answered = 0
    let after = 0
    const failures = new Set<string>()
    const load = Array.from({ length: 32 }, async () => {
      while (after < 200) {
        try {
          await asking.request('t.work', nothing, { timeoutMs: 20_000 })
          answered += 1
          if (restarted) after += 1
          if (answered === 200) void nats.restart().then(() => void (restarted = true))
        } catch (error) {
          failures.add((error as { code: string }).code)
          await new Promise(setImmediate)
        }
      }
    })
    await Promise.all(load)
    expect(answered).toBeGreaterThan(200)
    expect([...failures]).toEqual(['unavailable'])
  })

  test('to a server that froze is noticed, with bytes still waiting to be sent', async () => {
    await using nats = await startNats()
    const bus = await nats.connect({ pingMs: 40 })
    await bus.subscribe('t.mute', () => {}).ready
    nats.freeze()
    const lost = next(bus, 'disconnected')
    const waiting = bus.request('t.mute', nothing, { timeoutMs: 60_000 })
    waiting.catch(() => {})
    const half = { headers: {}, payload: new Uint8Array(512 * 1024) }
    for (let i = 0; i < 32; i++) bus.publish('t.bulk', half)
    await lost
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
    const back = next(bus, 'connected')
    nats.thaw()
    await back
    await bus.flush()
  })

  test('answers into inboxes only, and is asked from one nobody can guess', async () => {
    await using nats = await startNats()
    const [near, far] = [await nats.connect(), await connectNats({ url: nats.url, user: undefined, inbox: '_INBOX.mine' })]
    await using _far = far
    const inboxes: string[] = []
    const raw = connectionOf(near)
    raw?.subscribe('t.ask', { callback: (_, { reply = '' }) => void inboxes.push(reply) })
    const answerable: boolean[] = []
    const answering = near.subscribe('t.ask', ({ respond }) => {
      answerable.push(respond !== undefined)
      respond?.(nothing)
    })
    await answering.ready
    for (let n = 0; n < 3; n++) await far.request('t.ask', nothing, { timeoutMs: 5_000 })
    for (const inbox of inboxes) expect(inbox).toMatch(/^_INBOX\.mine\.[0-9a-f-]{36}\.[0-9a-f-]{36}$/)
    expect(new Set(inboxes).size).toBe(3)
    raw?.publish('t.ask', '', { reply: 't.deed' })
    raw?.publish('t.ask', '', { reply: '$JS.API.STREAM.PURGE.X' })
    await near.flush()
    expect(answerable).toEqual([true, true, true, false, false])
  })

  test('that is disposed lets go of a frozen server', async () => {
    await using nats = await startNats()
    const bus = await nats.connect()
    nats.freeze()
    await Promise.race([bus[Symbol.asyncDispose](), delay(20_000, undefined, { ref: false }).then(() => expect.unreachable('it held on'))])
  })
})
