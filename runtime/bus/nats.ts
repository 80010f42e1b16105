/** The bus on NATS. The only file that knows the client library. */
import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  connect,
  credsAuthenticator,
  DrainingConnectionError,
  headers,
  InvalidArgumentError,
  InvalidSubjectError,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  PermissionViolationError,
  type Status,
  type Subscription,
  type SubscriptionOptions,
  TimeoutError,
  UserAuthenticationExpiredError,
} from 'nats'
import { type Code, Failure, type Log } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import { noLog } from '../no-log.ts'
import type { Bus, Delivery, Interest, Packet, Sending } from './bus.ts'
import { checkSize, checkSubject, nobody } from './packet.ts'
import { Questions } from './questions.ts'
import type { Replies } from './replies.ts'

/** A NATS system, and who we are there. */
export interface NatsAddress {
  /** of one server or of several of one system */
  readonly url: string | readonly string[]
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** contents of a .creds file, instead of user and password */
  readonly credentials?: string | undefined
  /** of an nkey, instead of user and password */
  readonly seed?: string | undefined
  /** given, if only as `{}`, nothing is said to a server that has no TLS, or whose certificate is not of an authority that is trusted */
  readonly tls?: NatsTls | undefined
  /** first tokens of the subjects we are answered on; who may listen to no others says so here (`_INBOX.<user>`, and `_INBOX` without one) */
  readonly inbox?: string | undefined
  /** servers of it each stream and bucket is to be kept on; if left out as many as there are, and one for what is made */
  readonly replicas?: number | undefined
}

/** PEM, all of it. */
export interface NatsTls {
  /** authorities that are trusted; those of the system if left out */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface NatsOptions {
  /** first tokens of every subject (`gantry`) */
  readonly root?: string | undefined
  /** how the server's monitoring calls this connection */
  readonly name?: string | undefined
  /** ms to reach the server (5,000) */
  readonly timeoutMs?: number | undefined
  /** ms between looks whether the server still answers (5,000); it is given up after three without an answer */
  readonly pingMs?: number | undefined
  readonly log?: Log | undefined
  readonly signal?: AbortSignal | undefined
}

/** Bytes of a packet kept for its headers: NATS counts them, our callers do not. */
const forHeaders = 8 * 1024

/**
 * Connect. Once connected it stays so for ever: a lost connection is sought again until the bus is disposed; meanwhile publishing fails and
 * what was asked has failed, both with unavailable. Interests come back by themselves.
 *
 * Fails with unavailable when nobody is there, unauthenticated when we are not wanted, deadline_exceeded when the server does not talk.
 * A connection is one queue: whoever moves bulk makes a second one.
 */
export async function connectNats(address: NatsAddress, options: NatsOptions = {}): Promise<Bus> {
  options.signal?.throwIfAborted()
  const servers = [address.url].flat()
  const inbox = address.inbox ?? inboxOf(address.user)
  const connecting = connect({
    servers,
    inboxPrefix: inbox,
    ...authentication(address),
    ...(options.name !== undefined && { name: options.name }),
    ...policy,
    timeout: options.timeoutMs ?? 5_000,
    pingInterval: options.pingMs ?? 5_000,
  })
  try {
    const connection = await given(options.signal, connecting)
    return new NatsBus(connection, { root: options.root ?? 'gantry', log: options.log ?? noLog, inbox, replicas: address.replicas })
  } catch (error) {
    connecting.then((late) => late.close()).catch(() => {})
    const where = `connect to NATS at ${servers.map(withoutPassword).join(', ')}`
    // What a server says of a certificate it does not like, the library does not hand on.
    throw fromNats(error, error instanceof TimeoutError && address.tls ? `${where}, with TLS` : where)
  }
}

/** The library's defaults give up after ten tries and notice a silent server after minutes. */
const policy: NodeConnectionOptions = {
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
  reconnectDelayHandler: () => 50 + Math.random() * 1_500,
  maxPingOut: 2,
  noAsyncTraces: true,
}

function authentication({ user, password, credentials, seed, tls }: NatsAddress): NodeConnectionOptions {
  return {
    ...(user !== undefined && { user, pass: password ?? '' }),
    ...(credentials !== undefined && { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
    ...(seed !== undefined && { authenticator: nkeyAuthenticator(Buffer.from(seed.trim())) }),
    ...(tls !== undefined && { tls: Object.fromEntries(Object.entries(tls).filter(([, pem]) => pem !== undefined)) }),
  }
}

/** Of each user's own, where the name of the user can be a token. */
const inboxOf = (user: string | undefined): string => (user !== undefined && /^[\w-]+$/.test(user) ? `_INBOX.${user}` : '_INBOX')

const connections = new WeakMap<Bus, { connection: NatsConnection; replicas: number | undefined }>()

/** The connection under a bus, for what the bus does not cover (streams); undefined when it is not on NATS. */
export const connectionOf = (bus: Bus): NatsConnection | undefined => connections.get(bus)?.connection

/** On how many servers streams and buckets are to be kept; undefined: nothing was said. */
export const replicasOf = (bus: Bus): number | undefined => connections.get(bus)?.replicas

/** Whether NATS refused because it is not ours to do. */
export const isDenied = (error: unknown): boolean =>
  error instanceof PermissionViolationError || (error instanceof Error && error.cause instanceof PermissionViolationError)

interface NatsBusInit {
  readonly root: string
  readonly log: Log
  /** first tokens of its inboxes */
  readonly inbox: string
  readonly replicas: number | undefined
}

class NatsBus implements Bus {
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

  constructor(connection: NatsConnection, { root, log, inbox, replicas }: NatsBusInit) {
    this.root = root
    this.#connection = connection
    this.#log = log
    this.#inbox = `${inbox}.${randomUUID()}`
    connections.set(this, { connection, replicas })
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

/** Errors of the client library as failures: the one table. */
const codes: readonly [new (...given: never[]) => Error, Code][] = [
  [AuthorizationError, 'unauthenticated'],
  [UserAuthenticationExpiredError, 'unauthenticated'],
  [PermissionViolationError, 'permission_denied'],
  [TimeoutError, 'deadline_exceeded'],
  [ConnectionError, 'unavailable'],
  [ClosedConnectionError, 'unavailable'],
  [DrainingConnectionError, 'unavailable'],
  [InvalidSubjectError, 'invalid_argument'],
  [InvalidArgumentError, 'invalid_argument'],
]

function fromNats(error: unknown, attempt: string): Failure {
  if (error instanceof Failure) return error
  const code =
    codes.find(([kind]) => error instanceof kind)?.[1] ?? (isSystem(error) ? 'unavailable' : isOfTls(error) ? 'unauthenticated' : undefined)
  if (code === undefined) return Failure.from(error)
  return new Failure(code, `${attempt}: ${(error as Error).message.toLowerCase()}`, { cause: error })
}

/** ENOTFOUND, EHOSTUNREACH and their like. */
const isSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED, ERR_TLS_CERT_ALTNAME_INVALID and their like. */
const isOfTls = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /CERT|SIGNATURE|ERR_(TLS|SSL|OSSL)/.test(String(error.code))

const disconnected = (attempt: string): Failure => new Failure('unavailable', `${attempt}: not connected to NATS`)

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

const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//')
