import type { Readable } from 'node:stream'
import { Agent, errors } from 'undici'
import { Failure } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { redacted } from './addresses.ts'

/** One HTTP request. `attempted` is how a failure's message begins. */
export interface Request {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly attempted: string
  readonly signal: AbortSignal
}

/** Takes a piece of a body. A promise it gives holds the body up until it is kept. */
type Use = (piece: Uint8Array) => void | Promise<void>

/** What came back: the body has to be read to its end, or discarded. */
export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /**
   * Hand over the body piece by piece, as it comes; resolves at its end. Fails as `use` does, which then gets no more; while `use` has something
   * to wait for, nothing is read. Once only.
   */
  read(use: Use): Promise<void>
  /** Done with it, read or not. A short rest is passed over so that the connection can be used again, a long one closes it. */
  discard(): void
}

/** Most bytes that are read only to keep a connection. */
const shortRest = 64 * 1024

/** The way out to the network: connections kept alive, several to a host, each wait bounded. */
export interface Transport extends AsyncDisposable {
  /** Resolves once the headers are here. Fails with unavailable, deadline_exceeded or cancelled; any status is an answer. */
  send(request: Request): Promise<Response>
}

export interface TransportInit {
  /** to connect, and to shake hands */
  readonly connectMs?: number
  /** from the request to the end of the headers */
  readonly headersMs?: number
  /** between two pieces of a body */
  readonly pieceMs?: number
  /** connections to one host at a time; what is more waits */
  readonly connections?: number
}

/** Open the way out. */
export function openTransport({
  connectMs = 30_000,
  headersMs = 30_000,
  pieceMs = 30_000,
  connections = 16,
}: TransportInit = {}): Transport {
  // HTTP/1.1 only: a connection per blob is what makes several blobs faster than one.
  const agent = new Agent({
    connections,
    allowH2: false,
    connect: { timeout: connectMs },
    headersTimeout: headersMs,
    bodyTimeout: pieceMs,
    keepAliveTimeout: 30_000,
  })
  return {
    async send({ method, url, headers, attempted, signal }) {
      try {
        const {
          statusCode,
          headers: got,
          body,
        } = await agent.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers: { 'accept-encoding': 'identity', ...headers },
          signal,
        })
        const discard = () => void body.dump({ limit: shortRest }).catch(() => {})
        return { status: statusCode, headers: got, read: (use) => read(body, use), discard }
      } catch (error) {
        throw networkFailure(error, `${attempted}: ${method} ${redacted(url)}`, signal)
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** By events: an iterator costs as much again as the network does. */
function read(body: Readable, use: Use): Promise<void> {
  return new Promise((resolve, reject) => {
    if (body.errored) return reject(body.errored)
    const refuse = (error: unknown) => {
      body.off('data', hand)
      reject(error)
    }
    const hand = (piece: Uint8Array) => {
      try {
        const taken = use(piece)
        if (taken) taken.then(() => body.resume(), refuse)
        if (taken) body.pause()
      } catch (error) {
        refuse(error)
      }
    }
    body.on('error', reject).on('end', resolve).on('data', hand)
  })
}

/** One value of a header; of several the first. */
export function headerOf(response: Response, name: string): string | undefined {
  const value = response.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** What undici says without an errno, and what that asks of the caller. */
const codes: Readonly<Record<string, readonly ['deadline_exceeded' | 'unavailable' | 'unimplemented', string]>> = {
  UND_ERR_CONNECT_TIMEOUT: ['deadline_exceeded', 'no connection in time'],
  UND_ERR_HEADERS_TIMEOUT: ['deadline_exceeded', 'no answer in time'],
  UND_ERR_BODY_TIMEOUT: ['deadline_exceeded', 'nothing more came in time'],
  UND_ERR_HEADERS_OVERFLOW: ['unimplemented', 'the headers are too large'],
  UND_ERR_SOCKET: ['unavailable', 'the connection was closed early'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['unavailable', 'the body is not as long as announced'],
  UND_ERR_DESTROYED: ['unavailable', 'the node is stopping'],
  UND_ERR_CLOSED: ['unavailable', 'the node is stopping'],
}

/** The failure an error of the network comes to; the one conversion. A failure stays itself. */
export function networkFailure(error: unknown, attempted: string, signal: AbortSignal): Failure {
  if (error instanceof Failure) return error
  if (signal.aborted) return given(signal.reason, attempted)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = codes[code]
  if (known) return new Failure(known[0], `${attempted}: ${known[1]}`, { cause: error })
  if (errnoOf(error) !== undefined) return fromErrno(error, attempted)
  if (error instanceof errors.HTTPParserError) return new Failure('unimplemented', `${attempted}: the answer is not HTTP`, { cause: error })
  if (/^(ERR_(TLS|SSL)_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(code))
    return new Failure('unavailable', `${attempted}: no trust in the connection: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    })
  return fromErrno(error, attempted)
}

/** Why the caller gave up, with what was being done. */
function given(reason: unknown, attempted: string): Failure {
  const { code, message } = Failure.from(reason)
  return new Failure(code, `${attempted}: ${message}`, { cause: reason })
}
