import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
  type Status,
  type Subscription,
  type SubscriptionOptions,
} from 'nats'
import { Failure, type Log } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import type { Bus, Delivery, Interest, Packet, Sending } from './bus.ts'
import { disconnected, fromNats } from './nats-failures.ts'
import { checkSize, checkSubject, nobody } from './packet.ts'
import { Questions } from './questions.ts'
import type { Replies } from './replies.ts'

/** Bytes of a packet kept for its headers: NATS counts them, our callers do not. */
const forHeaders = 8 * 1024

interface NatsBusInit {
  /** first tokens of every subject */
  readonly root: string
  readonly log: Log
  /** first tokens of the subjects it is answered on */
  readonly inbox: string
}

/** The bus on one connection, whichever server that is to at the moment; disposing it closes the connection. */
export class NatsBus implements Bus {
  readonly root: string
  readonly #connection: NatsConnection
  readonly #log: Log
  readonly #inbox: string
  readonly #questions = new Questions()
  readonly #listeners = new Set<(status: 'connected' | 'disconnected') => void>()
  #connected = true
  #closed = false
  #back = Promise.withResolvers<void>()
  #synced: Promise<void> | undefined
  #gathering = false

  constructor(connection: NatsConnection, { root, log, inbox }: NatsBusInit) {
    this.root = root
    this.#connection = connection
    this.#log = log
    this.#inbox = `${inbox}.${randomUUID()}`
    this.#back.promise.catch(() => {})
    connection.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#guard(() => this.#reply(error, message)) })
    void this.#watch()
  }

  get maxPayload(): number {
    return (this.#connection.info?.max_payload ?? 1024 * 1024) - forHeaders
  }

  get server(): string {
    return this.#connection.info?.version ?? 'unknown'
  }

  async request(subject: string, packet: Packet, sending: Sending): Promise<Packet> {
    await using replies = this.#ask(subject, packet, sending)
    return await replies.next()
  }

  async *requestMany(subject: string, packet: Packet, sending: Sending): AsyncIterable<Packet> {
    await using replies = this.#ask(subject, packet, sending)
    while (true) yield await replies.next()
  }

  publish(subject: string, packet: Packet): void {
    this.#publish(subject, packet, `publish on ${subject}`)
  }

  subscribe(subject: string, handler: (delivery: Delivery) => void, options: { queue?: string | undefined } = {}): Interest {
    let refused: Failure | undefined
    const callback = (error: Error | null, message: Msg): void =>
      this.#guard(() => {
        if (error) refused = fromNats(error, `listen on ${subject}`)
        else handler(this.#delivery(message))
      })
    const subscription = this.#subscribe(subject, { callback, ...(options.queue !== undefined && { queue: options.queue }) })
    const ready = this.#sync().then(() => {
      if (refused) throw refused
    })
    ready.catch(() => {}) // not everybody waits for it
    return {
      ready,
      [Symbol.asyncDispose]: async () => subscription.unsubscribe(),
    }
  }

  onStatus(listener: (status: 'connected' | 'disconnected') => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  async flush(options: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#connected) throw disconnected('flush')
    try {
      await given(options.signal, this.#connection.flush())
    } catch (error) {
      throw this.#connected && !this.#closed ? fromNats(error, 'flush') : disconnected('flush')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#questions.fail(new Failure('unavailable', 'wait for a reply: the connection is closed'))
    this.#back.reject(disconnected('wait for the connection'))
    // What was said last should still arrive, but a server that does not answer must not hold us up.
    if (this.#connected) await this.flush({ signal: AbortSignal.timeout(1_000) }).catch(() => {})
    await this.#connection.close()
  }

  #ask(subject: string, packet: Packet, sending: Sending): Replies {
    const { token, replies } = this.#questions.ask(subject, sending)
    try {
      if (!sending.signal?.aborted) this.#publish(subject, packet, `ask ${subject}`, `${this.#inbox}.${token}`)
    } catch (error) {
      replies.fail(fromNats(error, `ask ${subject}`))
    }
    return replies
  }

  #subscribe(subject: string, options: SubscriptionOptions): Subscription {
    try {
      return this.#connection.subscribe(subject, options)
    } catch (error) {
      throw fromNats(error, `listen on ${subject}`)
    }
  }

  #publish(subject: string, packet: Packet, attempt: string, reply?: string): void {
    checkSubject(subject)
    checkSize(attempt, packet, this.maxPayload)
    if (!this.#connected || this.#closed) throw disconnected(attempt)
    this.#gather()
    try {
      this.#connection.publish(subject, packet.payload, { ...toHeaders(packet.headers), ...(reply !== undefined && { reply }) })
    } catch (error) {
      throw fromNats(error, attempt)
    }
  }

  /** Whatever is said in one turn of the event loop is handed to the kernel together: a system call each would cost as much as all else. */
  #gather(): void {
    if (this.#gathering) return
    const socket = socketOf(this.#connection)
    if (!socket) return
    this.#gathering = true
    socket.cork()
    setImmediate(() => {
      this.#gathering = false
      socket.uncork()
    })
  }

  #reply(error: Error | null, message: Msg): void {
    if (error) throw fromNats(error, 'listen for replies')
    const question = this.#questions.get(message.subject.slice(this.#inbox.length + 1))
    if (!question) return
    if (message.data.length === 0 && message.headers?.code === 503) question.replies.fail(nobody(question.subject))
    else question.replies.push({ headers: fromHeaders(message.headers), payload: message.data })
  }

  /** Whoever asks chooses where the answer goes: it goes into an inbox, never where it would be a question, a fact or a value said in our name. */
  #delivery({ subject, reply, data, headers: carried }: Msg): Delivery {
    const respond = reply?.startsWith('_') ? (packet: Packet) => this.#publish(reply, packet, `answer ${subject}`) : undefined
    return { subject, headers: fromHeaders(carried), payload: data, respond }
  }

  /** What throws inside the library's read loop leaves a connection that looks alive and hears nothing. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#log.error({ err: error }, 'a handler of the bus threw')
    }
  }

  /** One round trip to the server for all interests declared in the same turn; on a lost connection, once it is back. */
  #sync(): Promise<void> {
    this.#synced ??= Promise.resolve().then(async () => {
      this.#synced = undefined
      while (true) {
        try {
          return await this.flush()
        } catch (error) {
          if (this.#closed) throw error
          if (!this.#connected) await this.#back.promise
        }
      }
    })
    return this.#synced
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) this.#guard(() => this.#onStatus(status))
  }

  #onStatus(status: Status): void {
    if (status.type === 'disconnect' || status.type === 'staleConnection' || status.type === 'close') this.#lost(status.type)
    if (status.type === 'reconnect') this.#found()
    if (status.type === 'error') this.#refused(status.error)
    // The library would first wait for its last words to be written, which a frozen server never reads.
    if (status.type === 'staleConnection') socketOf(this.#connection)?.destroy()
  }

  #lost(why: string): void {
    this.#questions.fail(new Failure('unavailable', 'wait for a reply: the connection to NATS was lost'))
    if (!this.#connected) return
    this.#connected = false
    if (!this.#closed) {
      this.#back = Promise.withResolvers()
      this.#back.promise.catch(() => {})
      this.#log.warn({ why }, 'lost the connection to NATS')
    }
    this.#tell('disconnected')
  }

  #found(): void {
    this.#connected = true
    this.#back.resolve()
    this.#log.info({}, 'connected to NATS again')
    this.#tell('connected')
  }

  #tell(status: 'connected' | 'disconnected'): void {
    for (const listener of this.#listeners) this.#guard(() => listener(status))
  }

  /** A request on a subject that is not ours to use is never answered; the server says why on the side. */
  #refused(error: Error): void {
    this.#log.warn({ err: error }, 'NATS refused')
    if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return
    this.#questions.fail(fromNats(error, `ask ${error.subject}`), error.subject)
  }
}

function toHeaders(plain: Readonly<Record<string, string>>): { headers?: MsgHdrs } {
  const entries = Object.entries(plain)
  if (entries.length === 0) return {}
  const carried = headers()
  for (const [key, value] of entries) carried.set(key, value)
  return { headers: carried }
}

function fromHeaders(carried: MsgHdrs | undefined): Readonly<Record<string, string>> {
  return carried ? Object.fromEntries([...carried].map(([key, values]) => [key, values[0] ?? ''])) : {}
}

/** The socket under a connection. The library does not hand it out. */
const socketOf = (connection: NatsConnection): Socket | undefined =>
  (connection as { protocol?: { transport?: { socket?: Socket } } }).protocol?.transport?.socket
