/**
 * NATS as anybody can speak it who has a socket: the plain text protocol, no library. It shares nothing with the bus of the nodes, so that what they
 * say to it is what they say to everybody.
 */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

/** A message as it came. */
export interface Message {
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  /** of the first line of the headers: 503 when nobody listens */
  readonly status?: number | undefined
  readonly payload: Buffer
}

/** What came on one subscription and has not been taken. */
export interface Heard {
  /** The next one; undefined when none came within the time. */
  next(timeoutMs: number): Promise<Message | undefined>
  stop(): void
}

export interface Sending {
  readonly reply?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface TextClient extends AsyncDisposable {
  readonly maxPayload: number
  send(subject: string, payload: string | Uint8Array, sending?: Sending): void
  listen(subject: string): Heard
  /** A subject nobody else uses. */
  inbox(): string
  /** Resolves when the server has taken all that was sent. */
  flush(): Promise<void>
}

export interface Server {
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
}

/** Connect, and say who we are. */
export async function textClient({ url, user, password }: Server): Promise<TextClient> {
  const { hostname, port } = new URL(url)
  const socket = createConnection(Number(port) || 4222, hostname)
  const connection = new Connection(socket)
  await once(socket, 'connect')
  const info = await connection.greeted
  connection.write(
    `CONNECT ${JSON.stringify({ user, pass: password, verbose: false, pedantic: false, headers: true, no_responders: true })}\r\n`,
  )
  await connection.flush()
  let inboxes = 0
  const own = `_INBOX.${process.pid}-${Math.random().toString(36).slice(2)}`
  return {
    maxPayload: info.max_payload,
    send: (subject, payload, sending) => connection.write(published(subject, payload, sending)),
    listen: (subject) => connection.listen(subject),
    inbox: () => `${own}.${inboxes++}`,
    flush: () => connection.flush(),
    async [Symbol.asyncDispose]() {
      socket.destroy()
    },
  }
}

/** The bytes that publish a message: PUB, or HPUB when it has headers. */
function published(subject: string, payload: string | Uint8Array, { reply = '', headers = {} }: Sending = {}): Buffer {
  const body = Buffer.from(payload)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  if (lines.length === 0) return Buffer.concat([Buffer.from(`PUB ${subject} ${reply} ${body.length}\r\n`), body, end])
  const head = Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`)
  return Buffer.concat([Buffer.from(`HPUB ${subject} ${reply} ${head.length} ${head.length + body.length}\r\n`), head, body, end])
}

const end = Buffer.from('\r\n')

class Connection {
  readonly greeted: Promise<{ max_payload: number }>
  readonly #socket: Socket
  readonly #greeting = Promise.withResolvers<{ max_payload: number }>()
  readonly #heard = new Map<string, Queue>()
  readonly #pongs: PromiseWithResolvers<void>[] = []
  #rest = Buffer.alloc(0)
  #count = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.greeted = this.#greeting.promise
    socket.on('data', (piece) => {
      this.#rest = Buffer.concat([this.#rest, piece])
      while (this.#take());
    })
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes)
  }

  listen(subject: string): Heard {
    const id = String(++this.#count)
    const queue = new Queue()
    this.#heard.set(id, queue)
    this.write(`SUB ${subject} ${id}\r\n`)
    return {
      next: (timeoutMs) => queue.next(timeoutMs),
      stop: () => {
        if (this.#heard.delete(id)) this.write(`UNSUB ${id}\r\n`)
      },
    }
  }

  flush(): Promise<void> {
    const pong = Promise.withResolvers<void>()
    this.#pongs.push(pong)
    this.write('PING\r\n')
    return pong.promise
  }

  /** Take one line, and the message it begins, out of what came; false when it is not all there. */
  #take(): boolean {
    const at = this.#rest.indexOf('\r\n')
    if (at < 0) return false
    const [word = '', ...rest] = this.#rest.subarray(0, at).toString().split(' ')
    if (word === 'MSG' || word === 'HMSG') return this.#takeMessage(word === 'HMSG', rest, at + 2)
    this.#rest = this.#rest.subarray(at + 2)
    if (word === 'INFO') this.#greeting.resolve(JSON.parse(rest.join(' ')) as { max_payload: number })
    if (word === 'PING') this.write('PONG\r\n')
    if (word === 'PONG') this.#pongs.shift()?.resolve()
    if (word === '-ERR') this.#fail(new Error(rest.join(' ')))
    return true
  }

  /** `subject id [reply] [#headers] #all` */
  #takeMessage(withHeaders: boolean, words: readonly string[], at: number): boolean {
    const [subject = '', id = ''] = words
    const length = Number(words.at(-1))
    if (this.#rest.length < at + length + 2) return false
    const head = withHeaders ? Number(words.at(-2)) : 0
    const [first = '', ...lines] = this.#rest
      .subarray(at, at + head)
      .toString()
      .split('\r\n')
    const payload = Buffer.from(this.#rest.subarray(at + head, at + length))
    this.#rest = this.#rest.subarray(at + length + 2)
    const status = Number(first.split(' ')[1]) || undefined
    this.#heard.get(id)?.push({ subject, payload, status, headers: Object.fromEntries(lines.filter(Boolean).map(pair)) })
    return true
  }

  #fail(error: Error): void {
    this.#greeting.promise.catch(() => {})
    this.#greeting.reject(error)
    for (const pong of this.#pongs.splice(0)) pong.reject(error)
    for (const queue of this.#heard.values()) queue.fail(error)
  }
}

const pair = (line: string): [string, string] => {
  const at = line.indexOf(':')
  return [line.slice(0, at), line.slice(at + 1).trim()]
}

class Queue {
  readonly #messages: Message[] = []
  #error: Error | undefined
  #wake = (): void => {}

  push(message: Message): void {
    this.#messages.push(message)
    this.#wake()
  }

  fail(error: Error): void {
    this.#error = error
    this.#wake()
  }

  async next(timeoutMs: number): Promise<Message | undefined> {
    if (this.#messages.length === 0 && !this.#error) await this.#arrival(timeoutMs)
    const message = this.#messages.shift()
    if (!message && this.#error) throw this.#error
    return message
  }

  async #arrival(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, timeoutMs)
    await promise
    clearTimeout(timer)
  }
}
