import { join } from 'node:path'
import { type ClientDuplexStream, credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { benchContainerd } from './containerd.ts'
import type { Blob } from './ingest-blobs.ts'
import type { BenchStore, Way } from './ingest-ways.ts'

interface WriteRequest {
  readonly action: 'STAT' | 'WRITE' | 'COMMIT'
  readonly ref?: string
  readonly total?: number
  readonly expected?: string
  readonly offset?: number
  readonly data?: Uint8Array
}

interface WriteResponse {
  readonly action: WriteRequest['action']
  readonly offset: number
  readonly digest: string
}

type Writing = ClientDuplexStream<WriteRequest, WriteResponse>
type Write = () => Writing

/** What its own client copies at a time. */
const piece = 2 ** 20

/** Containerd's content service, asked over gRPC on its socket. */
export async function containerdStore(options: { scratch: string }): Promise<BenchStore> {
  await using stack = new AsyncDisposableStack()
  const { root, address } = stack.use(await benchContainerd(options))
  const Content = contentService()
  const contents = stack.adopt(new Content(`unix:${address}`, credentials.createInsecure()), (one) => one.close())
  const namespace = new Metadata()
  namespace.set('containerd-namespace', 'bench')
  const write: Write = () => contents['Write']?.call(contents, namespace) as Writing
  const scope = stack.move()
  return { root, ways: waysOf(write), [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

function contentService(): ServiceClientConstructor {
  const definition = loadSync(join(import.meta.dirname, 'containerd-content.proto'), { keepCase: true, enums: String, longs: Number })
  const loaded = loadPackageDefinition(definition) as unknown as {
    containerd: { services: { content: { v1: { Content: ServiceClientConstructor } } } }
  }
  return loaded.containerd.services.content.v1.Content
}

const waysOf = (write: Write): Way[] => [
  { name: 'one message', upTo: 8 * piece, ingest: (blob) => inOne(write, blob) },
  { name: 'stat, write, commit', ingest: (blob) => inPieces(write, blob) },
]

/** The fastest its protocol allows: all of it in the message that commits. */
async function inOne(write: Write, { digest, bytes }: Blob): Promise<void> {
  const stream = write()
  const answered = answers(stream)
  stream.write({ action: 'COMMIT', ref: digest, total: bytes.length, expected: digest, offset: 0, data: bytes })
  demand(await answered.next(), digest)
  stream.end()
}

/** As its own client does. */
async function inPieces(write: Write, { digest, bytes }: Blob): Promise<void> {
  const stream = write()
  const answered = answers(stream)
  const ask = async (request: WriteRequest) => {
    stream.write(request)
    return await answered.next()
  }
  await ask({ action: 'STAT', ref: digest, total: bytes.length, expected: digest })
  for (let at = 0; at < bytes.length; at += piece) await ask({ action: 'WRITE', offset: at, data: bytes.subarray(at, at + piece) })
  demand(await ask({ action: 'COMMIT', total: bytes.length, offset: bytes.length, expected: digest }), digest)
  stream.end()
}

/** Its answers, one after the other; fails as the call fails. */
const answers = (stream: Writing): AsyncIterator<WriteResponse> => stream[Symbol.asyncIterator]()

function demand({ value, done }: IteratorResult<WriteResponse>, digest: string): void {
  if (done || value.digest !== digest) throw new Error(`containerd has no ${digest}: ${JSON.stringify(value)}`)
}
