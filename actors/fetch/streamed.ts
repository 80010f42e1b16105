import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { Failure } from '../../messages/grammar/index.ts'
import { type Descriptor, digestParts, formatReference, type Reference } from '../../messages/words/index.ts'
import { download } from './download.ts'
import type { Registries } from './registry.ts'

/** Bytes that wait for whoever reads them. */
const waiting = 1024 * 1024

/**
 * The bytes of a blob as the registry has them, read no faster than they are taken. Cut off, it goes on at the byte it reached. A failure comes after the last byte
 * there was: data_loss when they are not what the descriptor says.
 */
export async function* streamed(
  registries: Registries,
  { reference, descriptor }: { reference: Reference; descriptor: Descriptor },
  { signal, resumeMs = 100 }: { signal: AbortSignal; resumeMs?: number },
): AsyncIterable<Uint8Array> {
  const { digest } = descriptor
  const attempted = `fetch ${descriptor.mediaType} ${digest} of ${formatReference(reference)}`
  const leaving = new AbortController()
  const options = { attempted, resumeMs, signal: AbortSignal.any([signal, leaving.signal]) }
  const pipe = new PassThrough({ highWaterMark: waiting })
  const sink = hashing(pipe, digest, options)
  let why: { error: unknown } | undefined
  const done = download({ registries }, { reference, descriptor, sink, reached: () => {} }, options)
    .catch((error: unknown) => void (why = { error }))
    // what came before a failure is handed on before it
    .finally(() => pipe.end())
  try {
    yield* pipe as AsyncIterable<Uint8Array>
    if (why) throw why.error
    const found = sink.digest()
    if (found !== digest) throw new Failure('data_loss', `${attempted}: the registry sent ${found}`)
  } finally {
    leaving.abort()
    await done
  }
}

/** Passes bytes on, and knows their digest in the end. */
function hashing(pipe: PassThrough, like: string, { signal }: { signal: AbortSignal }) {
  const { algorithm } = digestParts(like)
  const hash = createHash(algorithm)
  let offset = 0
  return {
    get offset() {
      return offset
    },
    append(bytes: Uint8Array) {
      hash.update(bytes)
      offset += bytes.byteLength
      if (!pipe.write(bytes)) return once(pipe, 'drain', { signal }).then(() => {})
    },
    digest: () => `${algorithm}:${hash.digest('hex')}`,
  }
}
