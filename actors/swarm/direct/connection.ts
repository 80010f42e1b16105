import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Failure } from '../../../messages/grammar/index.ts'
import { fromErrno } from '../../../runtime/errno.ts'
import { given } from '../../../runtime/given.ts'
import type { ReadOptions } from '../memory.ts'
import type { Offer } from './offers.ts'
import { answerBytes, hello, readAnswer, writeQuestion } from './wire.ts'

/** A connection to another node, for one blob. */
export interface Connection extends Disposable {
  /** Resolves when it is of no use any more. */
  readonly over: Promise<void>
  /** Bytes of the blob, put into memory that is lent if there is any. Fails with what the other says, see `wasSaid`; and when the connection does, which giving up is a reason for. */
  read(offset: number, length: number, options: ReadOptions): Promise<Uint8Array>
}

/** ms the other may take to be connected to */
const connectMs = 3_000
/** ms after which a connection nobody needs is closed */
const idleMs = 10_000

interface Waiting {
  readonly length: number
  readonly into?: Uint8Array<ArrayBuffer> | undefined
  readonly done: (bytes: Uint8Array) => void
  readonly failed: (failure: Failure) => void
}

/**
 * Take up an offer. Bytes go from the socket straight to where they are kept; nothing is taken in that was not asked for: another answer, or one of another length, ends the connection.
 */
export async function openConnection({ host, port, key }: Offer, { signal }: { signal: AbortSignal }): Promise<Connection> {
  const attempted = `connect to ${host}:${port}`
  const waiting = new Map<number, Waiting>()
  const over = Promise.withResolvers<void>()
  let broken: Failure | undefined
  let asked = 0
  const head = Buffer.alloc(answerBytes)
  let target: Uint8Array = head
  let filled = 0
  let answering: Waiting | undefined

  function fail(failure: Failure): void {
    broken ??= failure
    over.resolve()
    socket.destroy()
    for (const { failed } of [...(answering ? [answering] : []), ...waiting.values()]) failed(broken)
    answering = undefined
    waiting.clear()
  }

  function arrived(bytes: number): boolean {
    filled += bytes
    if (filled < target.length) return true
    filled = 0
    if (!answering) begin()
    else {
      answering.done(target)
      answering = undefined
      target = head
    }
    return broken === undefined
  }
  /** An answer begins. */
  function begin(): void {
    const { id, length, refused } = readAnswer(head)
    const question = waiting.get(id)
    waiting.delete(id)
    if (question && refused !== undefined)
      question.failed(new Failure(refused, `read from ${host}:${port}: ${refused}`, { details: { said: true } }))
    else if (question && length === question.length) {
      answering = question
      target = question.into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length)
    } else {
      question?.failed(new Failure('data_loss', `read from ${host}:${port}: another length than was asked for`))
      fail(new Failure('data_loss', `${attempted}: it answers what nobody asked`))
    }
  }

  const socket: Socket = connect({
    host,
    port,
    noDelay: true,
    onread: { buffer: () => target.subarray(filled), callback: arrived },
  })
  socket.on('error', (error) => fail(fromErrno(error, attempted)))
  socket.on('close', () => fail(new Failure('unavailable', `${attempted}: the connection was closed`)))
  try {
    await given(AbortSignal.any([signal, AbortSignal.timeout(connectMs)]), once(socket, 'connect'))
  } catch (error) {
    fail(fromErrno(error, attempted))
    throw broken
  }
  socket.setTimeout(
    idleMs,
    () => waiting.size === 0 && !answering && fail(new Failure('unavailable', `${attempted}: nothing was asked for`)),
  )
  socket.unref()
  socket.write(Buffer.concat([hello, key]))

  return {
    over: over.promise,
    async read(offset, length, { signal, into }) {
      signal.throwIfAborted()
      if (broken) throw broken
      const id = asked++ % 2 ** 32
      const answer = Promise.withResolvers<Uint8Array>()
      waiting.set(id, { length, into, done: answer.resolve, failed: answer.reject })
      // What was asked for comes all the same, and all else behind it.
      const giveUp = (): void => fail(new Failure('cancelled', `${attempted}: what was asked for is not wanted any more`))
      signal.addEventListener('abort', giveUp, { once: true })
      try {
        socket.write(writeQuestion({ id, offset, length }))
        return await answer.promise
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
    },
    [Symbol.dispose]: () => fail(new Failure('cancelled', `${attempted}: it is not needed any more`)),
  }
}

/** Whether the other answered so, the connection being sound. */
export const wasSaid = (error: unknown): boolean => error instanceof Failure && error.details?.['said'] === true
