import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BringRequest, Brought, Transfer } from '../../../actors/swarm/transfer.ts'
import { openTransfers, type Transfers } from '../../../actors/swarm/transfers.ts'
import { given } from '../../../runtime/given.ts'
import { noLog } from '../../../runtime/no-log.ts'

const digest = `sha256:${'a'.repeat(64)}`

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('one that was given up is gone on with, and forgotten when nobody asks for long', async () => {
  const at = played()
  const leaving = new AbortController()
  const first = at.bring({ signal: leaving.signal })
  await at.begun(1)
  leaving.abort(new Error('enough'))
  await expect(first).rejects.toThrow('enough')
  expect(at.transfers.get(digest)).toBeDefined()
  await vi.advanceTimersByTimeAsync(100_000)
  at.finish()
  await at.bring()
  expect(at.said).toEqual(['open', 'run', 'opened', 'run', 'opened'])
  await vi.advanceTimersByTimeAsync(119_000)
  expect(at.said).not.toContain('ended')
  await vi.advanceTimersByTimeAsync(2_000)
  expect(at.said.slice(-2)).toEqual(['disposed', 'ended'])
  expect(at.transfers.get(digest)).toBeUndefined()
})

test('who asks for a blob that is being brought takes it over', async () => {
  const at = played()
  const first = at.bring()
  first.catch(() => {})
  await at.begun(1)
  const second = at.bring()
  await expect(first).rejects.toMatchObject({ code: 'cancelled' })
  at.finish()
  await second
  expect(at.said.filter((word) => word === 'open')).toHaveLength(1)
  expect(at.most()).toBe(1)
})

test('a blob that is content is ended at once, or when who brings it has been told', async () => {
  const at = played()
  const bringing = at.bring()
  await at.begun(1)
  at.transfers.settled(digest)
  expect(at.said).not.toContain('disposed')
  at.finish()
  await bringing
  await vi.advanceTimersByTimeAsync(1)
  expect(at.said.slice(-2)).toEqual(['disposed', 'ended'])

  const other = played()
  other.finish()
  await other.bring()
  other.transfers.settled(digest)
  await vi.advanceTimersByTimeAsync(0)
  expect(other.said.slice(-2)).toEqual(['disposed', 'ended'])
})

test('of another size it is another blob', async () => {
  const at = played()
  at.finish()
  await at.bring()
  await at.bring({ size: 7 })
  expect(at.said).toEqual(['open', 'run', 'opened', 'disposed', 'ended', 'open', 'run', 'opened'])
})

test('one that cannot be opened is not kept, and who is told to give up begins nothing', async () => {
  const at = played({ fail: new Error('no room') })
  await expect(at.bring()).rejects.toThrow('no room')
  await expect(at.bring()).rejects.toThrow('no room')
  expect(at.said).toEqual(['open', 'open'])
  await expect(at.bring({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  expect(at.said).toEqual(['open', 'open'])
})

test('stopping ends what is being brought', async () => {
  const at = played()
  const bringing = at.bring()
  bringing.catch(() => {})
  await at.begun(1)
  await at.transfers[Symbol.asyncDispose]()
  await expect(bringing).rejects.toMatchObject({ code: 'cancelled' })
  expect(at.said.slice(-2)).toEqual(['disposed', 'ended'])
})

interface Played {
  readonly transfers: Transfers
  readonly said: string[]
  bring(init?: { signal?: AbortSignal; size?: number }): Promise<void>
  /** Resolves when so many runs have begun. */
  begun(count: number): Promise<void>
  /** Let runs come to their end. */
  finish(): void
  /** Runs at once. */
  most(): number
}

/** Transfers that say what is done with them, and run until told to finish. */
function played({ fail }: { fail?: Error } = {}): Played {
  const said: string[] = []
  const finished = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  async function* run(_: BringRequest, { signal, asked }: Parameters<Transfer['run']>[1]): AsyncGenerator<Brought> {
    said.push('run')
    asked?.()
    most = Math.max(most, ++running)
    try {
      await given(signal, finished.promise)
      yield { offset: 1, sources: { origin: 1, peers: {} } }
    } finally {
      running--
    }
  }
  const transfers = openTransfers({
    async open({ size }) {
      said.push('open')
      if (fail) throw fail
      return { size, run, [Symbol.asyncDispose]: async () => void said.push('disposed') } as unknown as Transfer
    },
    opened: () => void said.push('opened'),
    ended: () => void said.push('ended'),
    log: noLog,
  })
  return {
    transfers,
    said,
    async bring({ signal = new AbortController().signal, size = 5 } = {}) {
      const descriptor = { mediaType: 'x/y', digest, size }
      for await (const _ of transfers.bring({ name: 'x', descriptor, token: 't', path: '/x', offset: 0 }, { signal }));
    },
    begun: async (count) => {
      while (said.filter((word) => word === 'run').length < count) await new Promise((resolve) => setImmediate(resolve))
    },
    finish: () => finished.resolve(),
    most: () => most,
  }
}
