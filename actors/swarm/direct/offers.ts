import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Digest } from '../../../messages/words/index.ts'
import { fromErrno } from '../../../runtime/errno.ts'
import type { Memory, ReadOptions } from '../memory.ts'
import { hello, keyBytes, questionBytes, readQuestion, writeAnswer, writeRefusal } from './wire.ts'

/** Where, and with what key, one connection for one blob may be made. */
export interface Offer {
  readonly host: string
  readonly port: number
  readonly key: Uint8Array<ArrayBuffer>
}

/** What other nodes may connect to. Nothing is listened on before the first offer. */
export interface Offers extends AsyncDisposable {
  /** Good once, for a short while. Fails with resource_exhausted when too many are out, with unavailable when the address cannot be listened on. */
  make(digest: Digest): Promise<Offer>
}

export interface OffersComponents {
  /** Bytes of a blob, when it is their turn. */
  readonly read: (digest: Digest, range: { offset: number; length: number }, options: ReadOptions) => Promise<Uint8Array>
  readonly memory: Memory
}

/** An address of this node; port 0 is any. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** ms an offer is good for, and a connection may be silent, be it that it does not ask or does not take what it asked for */
const offeredMs = 10_000
const silentMs = 30_000
/** Offers that are out, and connections that are open, at once. */
const mostOffers = 256
const mostConnections = 256

export function openOffers({ read, memory }: OffersComponents, { host, port }: Address): Offers {
  const offered = new Map<string, { readonly digest: Digest; readonly timer: NodeJS.Timeout }>()
  const sockets = new Set<Socket>()
  const stop = new AbortController()
  let listening: Promise<Server> | undefined

  async function listen(): Promise<Server> {
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      answer(socket).catch(() => socket.destroy())
    })
    server.maxConnections = mostConnections
    server.listen(port, host)
    try {
      await once(server, 'listening')
    } catch (error) {
      throw fromErrno(error, `listen on ${host}:${port} for other nodes`)
    }
    return server
  }

  /** Whose key it was; each is good once. */
  function take(key: Uint8Array): Digest | undefined {
    const offer = offered.get(nameOf(key))
    if (!offer) return undefined
    clearTimeout(offer.timer)
    offered.delete(nameOf(key))
    return offer.digest
  }

  async function answer(socket: Socket): Promise<void> {
    socket.setTimeout(silentMs, () => socket.destroy())
    const frames = framesOf(socket)
    const greeting = await frames(hello.length + keyBytes)
    if (!greeting?.subarray(0, hello.length).equals(hello)) return void socket.destroy()
    const digest = take(greeting.subarray(hello.length))
    if (digest === undefined) return void socket.destroy()
    // The next question is not read before this one is answered: who asks and does not take what comes holds one piece of memory, no more.
    for (let frame = await frames(questionBytes); frame; frame = await frames(questionBytes)) {
      const question = readQuestion(frame)
      if (!question) return void socket.destroy()
      await memory.lend(async (into) => {
        const { id, ...range } = question
        const [head, bytes] = await read(digest, range, { signal: stop.signal, into }).then(
          (bytes) => [writeAnswer(id, bytes), bytes] as const,
          (error: unknown) => [writeRefusal(id, Failure.from(error)), new Uint8Array()] as const,
        )
        await written(socket, [head, bytes])
      })
    }
    socket.end()
  }

  return {
    async make(digest) {
      stop.signal.throwIfAborted()
      const opening = (listening ??= listen())
      opening.catch(() => listening === opening && (listening = undefined))
      const server = await opening
      if (offered.size >= mostOffers) throw new Failure('resource_exhausted', `offer a connection for ${digest}: ${offered.size} are out`)
      const key = new Uint8Array(randomBytes(keyBytes))
      offered.set(nameOf(key), { digest, timer: setTimeout(() => offered.delete(nameOf(key)), offeredMs).unref() })
      return { host, port: (server.address() as AddressInfo).port, key }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Failure('unavailable', 'the node is stopping'))
      for (const { timer } of offered.values()) clearTimeout(timer)
      const server = await listening?.catch(() => undefined)
      if (!server) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Keys are looked up by what they hash to: how long that takes says nothing of them. */
const nameOf = (key: Uint8Array): string => createHash('sha256').update(key).digest('hex')

/** Reads so many bytes at a time; undefined once the other has ended. More is not taken from the socket meanwhile. */
function framesOf(socket: Socket): (length: number) => Promise<Buffer | undefined> {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let rest: Buffer = Buffer.alloc(0)
  return async (length) => {
    while (rest.length < length) {
      const { value, done } = await chunks.next()
      if (done) return undefined
      rest = rest.length === 0 ? value : Buffer.concat([rest, value])
    }
    const frame = rest.subarray(0, length)
    rest = rest.subarray(length)
    return frame
  }
}

/** Resolves when the socket has taken all of it; fails when it never will. */
async function written(socket: Socket, parts: readonly Uint8Array[]): Promise<void> {
  const taken = Promise.withResolvers<void>()
  socket.cork()
  for (const part of parts.slice(0, -1)) socket.write(part)
  socket.write(parts.at(-1) ?? new Uint8Array(), (error) => (error ? taken.reject(error) : taken.resolve()))
  socket.uncork()
  await taken.promise
}
