import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Digest } from '../../messages/words/index.ts'
import type { Blob, Image } from './images.ts'

/** How a registry behaves that is measured, not tested. */
export interface OriginInit {
  /** bytes a second of each connection; no cap unless given */
  readonly perConnection?: number
  /** bytes a second of all connections together */
  readonly total?: number
  /** whether it answers ranges (true) */
  readonly ranges?: boolean
}

/** A registry in memory that counts what it is asked and sends. */
export interface Origin extends AsyncDisposable {
  readonly host: string
  /** bytes of bodies that were sent: of one blob, or of everything */
  sent(digest?: Digest): number
  /** bytes of a blob that were sent once more, in pages of 4 KiB */
  sentAgain(digest: Digest): number
  /** requests that came: of one method, or all; for paths that fit, or all */
  requests(method?: string, path?: RegExp): number
  /** Have it forget what it counted. */
  reset(): void
  /** Serve an image; resolves to its reference. One of the same name and tag before is not served by that name any more. */
  serve(repository: string, image: Image, tag?: string): string
  serveBlob(blob: Blob): void
  /** What is to be done instead with the requests from now on; undefined: answer. */
  fail(behaviour: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined): void
  /** Send no more of a blob once so many bytes of it were sent, its connections staying open, until let go on. */
  hold(digest: Digest, bytes: number): Hold
}

/** A blob that is not sent any further. */
export interface Hold {
  /** Resolves when so much was sent. */
  readonly reached: Promise<void>
  release(): void
}

/** Bytes written to a connection at once, where there is a cap. */
const slice = 32 * 1024
/** What is sent is kept account of by so many bytes. */
const page = 4096

/** Start one on loopback. */
export async function startOrigin({ perConnection, total, ranges = true }: OriginInit = {}): Promise<Origin> {
  const documents = new Map<string, Blob>()
  const blobs = new Map<Digest, Uint8Array>()
  const sent = new Map<Digest, number>()
  const pages = new Map<Digest, Uint8Array>()
  const again = new Map<Digest, number>()
  const asked: { readonly method: string; readonly path: string }[] = []
  const holds = new Map<Digest, { readonly bytes: number; readonly reached: () => void; readonly released: Promise<void> }>()
  const buckets = new WeakMap<Socket, Bucket>()
  const everybody = bucket(total)
  let failing: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined

  const ofSocket = (socket: Socket): Bucket => {
    const mine = buckets.get(socket) ?? bucket(perConnection)
    buckets.set(socket, mine)
    return mine
  }

  function count(digest: Digest, from: number, length: number): void {
    sent.set(digest, (sent.get(digest) ?? 0) + length)
    const size = blobs.get(digest)?.length ?? 0
    const seen = pages.get(digest) ?? new Uint8Array(Math.ceil(size / page))
    pages.set(digest, seen)
    for (let at = Math.ceil(from / page); at * page < from + length; at++) {
      if (seen[at]) again.set(digest, (again.get(digest) ?? 0) + Math.min(page, size - at * page))
      seen[at] = 1
    }
  }

  async function send(response: ServerResponse, digest: Digest, bytes: Uint8Array, from: number): Promise<void> {
    const { socket } = response
    if (!socket) return
    const capped = perConnection !== undefined || total !== undefined
    const step = capped ? slice : 1024 * 1024
    for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
      const piece = bytes.subarray(at, at + step)
      if (capped) await Promise.all([ofSocket(socket).spend(piece.length), everybody.spend(piece.length)])
      const hold = holds.get(digest)
      if (hold && (sent.get(digest) ?? 0) >= hold.bytes) {
        hold.reached()
        await hold.released
      }
      if (response.destroyed) return
      count(digest, from + at, piece.length)
      if (!response.write(piece)) await drained(response)
    }
    response.end()
  }

  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    asked.push({ method: request.method ?? '', path })
    if (failing?.(request, response)) return
    const document = documents.get(path)
    const digest = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1]
    const bytes = document?.bytes ?? (digest === undefined ? undefined : blobs.get(digest))
    if (path === '/v2/') return void response.writeHead(200).end()
    if (!bytes) return void response.writeHead(404).end()
    if (document) {
      response.setHeader('content-type', document.descriptor.mediaType)
      response.setHeader('docker-content-digest', document.descriptor.digest)
    }
    const [, first, last] = (ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')) || []
    const from = Number(first ?? 0)
    const to = Math.min(bytes.length, last ? Number(last) + 1 : bytes.length)
    if (from >= bytes.length && bytes.length > 0) return void response.writeHead(416).end()
    const range = first === undefined ? {} : { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': to - from, ...range })
    if (request.method === 'HEAD') return void response.end()
    send(response, document?.descriptor.digest ?? digest ?? '', bytes.subarray(from, to), from).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host,
    sent: (digest) => (digest === undefined ? [...sent.values()].reduce((sum, bytes) => sum + bytes, 0) : (sent.get(digest) ?? 0)),
    sentAgain: (digest) => again.get(digest) ?? 0,
    requests: (method, path) => asked.filter((one) => (!method || one.method === method) && (!path || path.test(one.path))).length,
    reset() {
      sent.clear()
      pages.clear()
      again.clear()
      asked.length = 0
    },
    serve(repository, image, tag = 'latest') {
      for (const name of [tag, image.manifest.descriptor.digest]) documents.set(`/v2/${repository}/manifests/${name}`, image.manifest)
      for (const { descriptor, bytes } of [image.config, ...image.layers]) blobs.set(descriptor.digest, bytes)
      return `${host}/${repository}:${tag}`
    },
    serveBlob: ({ descriptor, bytes }) => void blobs.set(descriptor.digest, bytes),
    fail: (behaviour) => void (failing = behaviour),
    hold(digest, bytes) {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      holds.set(digest, { bytes, reached: reached.resolve, released: released.promise })
      return {
        reached: reached.promise,
        release() {
          holds.delete(digest)
          released.resolve()
        },
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Resolves when more can be written, or never will be. */
async function drained(response: ServerResponse): Promise<void> {
  const either = new AbortController()
  const of = (event: string) => once(response, event, { signal: either.signal }).catch(() => {})
  await Promise.race([of('drain'), of('close')]).finally(() => either.abort())
}

interface Bucket {
  /** Resolves when so many bytes may be sent. */
  spend(bytes: number): Promise<void>
}

/** So many bytes a second, a tenth of a second's worth at once. */
function bucket(perSecond: number | undefined): Bucket {
  if (perSecond === undefined) return { spend: async () => {} }
  let paid = performance.now()
  return {
    async spend(bytes) {
      paid = Math.max(paid, performance.now() - 100) + (bytes / perSecond) * 1_000
      const wait = paid - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    },
  }
}
