import { isFailure } from '../../messages/grammar/index.ts'
import { retry } from '../../runtime/retry.ts'
import type { Taker } from '../command/taker.ts'
import type { Grant, Ingests, Wanted } from './open-ingest.ts'

/** Most bytes of one message. */
const most = 512 * 1024
/** Messages on their way. */
const window = 8
/** A server, or a node, that was restarted is back in seconds; one that is not by then will not be. */
const patience = { tries: 15, mostMs: 2000 }

/** One message on its way. */
interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly answer: Promise<unknown>
}

/** Sends the bytes of an ingest over the bus, several messages at a time; what was lost on the way is sent again. */
export function sendingTaker(store: Ingests, wanted: Wanted, grant: Grant, { signal }: { signal: AbortSignal }): Taker {
  const { token, silenceMs = 30_000 } = grant
  const living = setInterval(() => void store.hold({ token }).catch(() => {}), silenceMs / 3)
  let offset = grant.offset
  let sent: Piece[] = []

  function send(at: number, bytes: Uint8Array): void {
    const answer = (async () => await store.write({ token, offset: at, bytes }))()
    // whoever comes to it in turn hears of its failure
    answer.catch(() => {})
    sent.push({ offset: at, bytes, answer })
  }

  /** The first of those on their way has arrived. */
  async function oldest(): Promise<void> {
    try {
      await sent[0]?.answer
      sent.shift()
    } catch (error) {
      // Taken for dead, it goes on if the digest will tell whether somebody else wrote meanwhile.
      const closed = isFailure(error, 'not_found') && wanted.expected !== undefined
      if (!closed && !isFailure(error, 'unavailable', 'deadline_exceeded')) throw error
      await again()
    }
  }

  /** Ask how much arrived, by the token that is ours, and send the rest once more. */
  async function again(): Promise<void> {
    const lost = sent
    await Promise.allSettled(lost.map(({ answer }) => answer))
    const arrived = (await retry(async () => await store.open({ ...wanted, token }), { signal, ...patience })).offset
    sent = []
    for (const { offset: at, bytes } of lost) {
      const fresh = bytes.subarray(Math.max(0, arrived - at))
      if (fresh.length > 0) send(at + bytes.length - fresh.length, fresh)
    }
  }

  async function settle(): Promise<void> {
    while (sent.length > 0) await oldest()
  }

  return {
    get offset() {
      return offset
    },
    alike: () => undefined,
    async append(bytes) {
      for (let at = 0; at < bytes.length; at += most) {
        const piece = bytes.subarray(at, at + most)
        send(offset, piece)
        offset += piece.length
        while (sent.length >= window) await oldest()
      }
    },
    async cut(to) {
      await settle()
      await store.truncate({ token, offset: to })
      offset = to
    },
    settle,
    async [Symbol.asyncDispose]() {
      clearInterval(living)
      await Promise.allSettled(sent.map(({ answer }) => answer))
    },
  }
}
