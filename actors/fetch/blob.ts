import { type Code, Failure } from '../../messages/grammar/index.ts'
import { type Descriptor, formatReference, parseReference } from '../../messages/words/index.ts'
import { type LentFile, openLent } from '../../runtime/lent.ts'
import { pace } from '../../runtime/pace.ts'
import { download } from './download.ts'
import { latest } from './latest.ts'
import type { Registries } from './registry.ts'

/** What to bring, and the file it goes into. */
export interface BlobRequest {
  readonly name: string
  readonly descriptor: Descriptor
  readonly path: string
  readonly offset: number
  /** where to stop; the end of the blob if left out */
  readonly end?: number | undefined
}

export interface BlobComponents {
  readonly registries: Registries
  /** where lent files are; nothing outside is written */
  readonly directory: string
  /** Tells whoever lent the file how far it is written. */
  readonly advance: (offset: number) => Promise<void>
}

export interface BlobOptions {
  readonly signal: AbortSignal
  /** ms before a cut-off download goes on, doubled each time that brings nothing */
  readonly resumeMs?: number
}

/** Telling: after so many bytes, or so many ms with any; whoever watches, at most so often. */
const telling = { step: 1024 * 1024, intervalMs: 50 }

/**
 * Bring a blob, or what of it is before `end`, from its registry into a lent file, from an offset on; yields how far it is, now and then, and in the end where it stopped.
 *
 * Cut off, it goes on at the byte it reached. However it ends, what is told to `advance` last is exactly what is in the file. Fails with
 * data_loss when the registry has fewer or more bytes than the descriptor says; the digest is for whoever lent the file to check.
 */
export async function* streamBlob(
  components: BlobComponents,
  request: BlobRequest,
  { signal, resumeMs = 100 }: BlobOptions,
): AsyncIterable<{ offset: number }> {
  const { descriptor, path, offset, end = descriptor.size } = request
  const attempted = `stream blob ${descriptor.digest} of ${formatReference(parseReference(request.name))}`
  if (offset > end || end > descriptor.size)
    throw new Failure('failed_precondition', `${attempted}: ${Math.max(offset, end)} bytes are more than the ${descriptor.size} it has`)
  using file = openLent({ directory: components.directory, path, offset })
  const leaving = new AbortController()
  const items = latest<{ offset: number }>()
  const way = {
    ...components,
    request: { ...request, end },
    file,
    attempted,
    resumeMs,
    signal: AbortSignal.any([signal, leaving.signal]),
    leave: (why: unknown) => leaving.abort(why),
  }
  const done = bring(way, items.set).then(
    () => items.end(),
    (error: unknown) => items.end(error),
  )
  try {
    yield* items
  } finally {
    leaving.abort()
    await done
  }
}

interface Way extends BlobComponents {
  readonly request: BlobRequest & { readonly end: number }
  readonly file: LentFile
  readonly attempted: string
  readonly resumeMs: number
  readonly signal: AbortSignal
  readonly leave: (why: unknown) => void
}

/** The whole way, told as it goes. */
async function bring(way: Way, watch: (item: { offset: number }) => void): Promise<void> {
  const { file, request, attempted, advance, leave } = way
  let watched = 0
  const tell = async (offset: number) => {
    await advance(offset)
    if (offset < request.end && performance.now() - watched < telling.intervalMs) return
    watched = performance.now()
    watch({ offset })
  }
  let untold: Failure | undefined
  const told = pace({ tell, failed: (error) => leave((untold = notTold(error, attempted))) }, telling)
  try {
    told.reached(file.offset)
    await download(
      way,
      { reference: parseReference(request.name), descriptor: request.descriptor, end: request.end, sink: file, reached: told.reached },
      way,
    )
  } catch (error) {
    throw untold ?? error
  } finally {
    told.reached(file.offset)
    await told.settle()
  }
  if (untold) throw untold
}

/** The ingest no longer being there is not the registry's "not found". */
function notTold(error: unknown, attempted: string): Failure {
  const { code, message } = Failure.from(error)
  const lost: readonly Code[] = ['not_found', 'out_of_range']
  return new Failure(lost.includes(code) ? 'failed_precondition' : code, `${attempted}: its ingest does not go on: ${message}`, {
    cause: error,
  })
}
