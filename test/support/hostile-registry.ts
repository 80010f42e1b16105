import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Blob } from '../../ops/lab/images.ts'

/** What is done with one request. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

/** One request that came. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly at: number
}

/** A registry that does as it is told, and remembers what it was asked. */
export interface HostileRegistry extends AsyncDisposable {
  readonly host: string
  readonly url: string
  readonly seen: readonly Seen[]
  /** bytes of bodies it sent */
  readonly sent: number
  /** What to do with requests for a path, with its query or without: one behaviour a request, the last one for all that follow. */
  on(path: string, ...behaviours: readonly [Behaviour, ...Behaviour[]]): void
}

/** Start one on loopback; what it was not told about is a 404. */
export async function startHostileRegistry(): Promise<HostileRegistry> {
  const scripts = new Map<string, Behaviour[]>()
  const seen: Seen[] = []
  let sent = 0
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    seen.push({ method: request.method ?? '', path, headers: request.headers, at: performance.now() })
    const write = response.write.bind(response)
    response.write = ((piece: Uint8Array, ...rest: []) => {
      sent += piece.length
      return write(piece, ...rest)
    }) as typeof response.write
    const script = scripts.get(path) ?? scripts.get(path.split('?')[0] ?? '')
    const behaviour =
      (script && script.length > 1 ? script.shift() : script?.[0]) ??
      status(404, { errors: [{ code: 'NAME_UNKNOWN', message: 'no such thing' }] })
    behaviour(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host,
    url: `http://${host}`,
    seen,
    get sent() {
      return sent
    },
    on: (path, ...behaviours) => void scripts.set(path, [...behaviours]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Answer with a status, and a JSON body if given. */
export const status =
  (code: number, body?: unknown, headers: Record<string, string> = {}): Behaviour =>
  (request, response) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(request.method === 'HEAD' || body === undefined ? undefined : JSON.stringify(body))
  }

/** Send elsewhere. */
export const redirect = (location: string): Behaviour => status(307, undefined, { location })

/** Ask for a token first. */
export const challenge = (header: string): Behaviour =>
  status(401, { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }, { 'www-authenticate': header })

/** Do one thing for whoever has the token, another for the rest. */
export const guarded =
  (token: string, inside: Behaviour, outside: Behaviour): Behaviour =>
  (request, response) =>
    (request.headers.authorization === `Bearer ${token}` ? inside : outside)(request, response)

/** Say nothing at all. */
export const silent: Behaviour = () => {}

/** A manifest as it should be served; headers can be set, or left out with undefined. */
export const manifest =
  (
    blob: Blob,
    { type = blob.descriptor.mediaType, digest = blob.descriptor.digest as string | undefined, chunked = false } = {},
  ): Behaviour =>
  (request, response) => {
    if (type) response.setHeader('content-type', type)
    if (digest) response.setHeader('docker-content-digest', digest)
    if (!chunked) response.setHeader('content-length', blob.bytes.length)
    else response.setHeader('transfer-encoding', 'chunked')
    if (request.method !== 'HEAD') response.write(blob.bytes)
    response.end()
  }

export interface Delivering {
  /** answer ranges: as asked, not at all, or with something else */
  readonly ranges?: 'honest' | 'ignored' | 'wrong'
  /** stop after so many bytes of the body and close the connection */
  readonly cutAfter?: number
  /** or stop there and say nothing more */
  readonly stallAfter?: number
  /** or end there as if that were all */
  readonly endAfter?: number
  /** announce no length */
  readonly chunked?: boolean
}

/** Serve bytes, well or badly. */
export const bytes =
  (
    content: Uint8Array,
    { ranges = 'honest', cutAfter, stallAfter, endAfter, chunked = endAfter !== undefined }: Delivering = {},
  ): Behaviour =>
  (request, response) => {
    const asked = ranges === 'ignored' ? undefined : /^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1]
    const from = Number(asked ?? 0)
    if (from >= content.length && asked !== undefined) return status(416)(request, response)
    const body = content.subarray(from)
    const said = ranges === 'wrong' ? from + 1 : from
    const headers = {
      ...(!chunked && { 'content-length': body.length }),
      ...(asked !== undefined && { 'content-range': `bytes ${said}-${content.length - 1}/${content.length}` }),
    }
    response.writeHead(asked === undefined ? 200 : 206, headers)
    const stop = cutAfter ?? stallAfter ?? endAfter
    response.write(body.subarray(0, stop), () => {
      if (cutAfter !== undefined) response.destroy()
      else if (stallAfter === undefined) response.end()
    })
  }
