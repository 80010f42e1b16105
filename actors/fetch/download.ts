import { setTimeout as pause } from 'node:timers/promises'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Descriptor, Reference } from '../../messages/words/index.ts'
import { placeOf } from './addresses.ts'
import { receive, type Sink } from './receive.ts'
import type { Registries } from './registry.ts'

/** What is brought, and who takes it. `reached` is told how much the sink has. */
export interface Download {
  readonly reference: Reference
  readonly descriptor: Descriptor
  /** where to stop, the end of the blob if left out; see receive */
  readonly end?: number | undefined
  readonly sink: Sink
  readonly reached: (offset: number) => void
}

export interface DownloadOptions {
  /** how a failure's message begins */
  readonly attempted: string
  readonly signal: AbortSignal
  /** ms before a cut-off download goes on, doubled each time that brings nothing */
  readonly resumeMs: number
}

/** A download that is cut off this often without bringing `worthwhile` bytes is given up. */
const maxIdle = 4
const worthwhile = 64 * 1024

/**
 * Bring every byte of a blob, up to `end`, that a sink does not have yet, over as many connections as it takes. Fails with data_loss when the registry has
 * fewer or more than the descriptor says.
 */
export async function download(
  { registries }: { registries: Registries },
  { reference, descriptor, end = descriptor.size, sink, reached }: Download,
  { attempted, signal, resumeMs }: DownloadOptions,
): Promise<void> {
  const { path, accept } = placeOf(descriptor)
  for (let idle = 0; sink.offset < end; ) {
    const from = sink.offset
    const headers = { ...(accept && { accept }), ...range(from, end, descriptor.size) }
    const opened = registries.open({ method: 'GET', reference, path, headers, attempted, signal })
    const { response } = await opened.catch((error: unknown) => {
      throw isFailure(error, 'out_of_range')
        ? new Failure('data_loss', `${attempted}: the registry has no byte ${from} of ${descriptor.size}`, { cause: error })
        : error
    })
    const cut = await receive(response, { sink, size: descriptor.size, end, reached, attempted, signal })
    if (!cut) return
    idle = sink.offset - from >= worthwhile ? 1 : idle + 1
    if (idle >= maxIdle) throw cut
    await pause(resumeMs * 2 ** (idle - 1), undefined, { signal })
  }
}

/** The whole is asked for plainly: a registry without ranges has it too. */
function range(from: number, end: number, size: number): { range?: string } {
  if (end < size) return { range: `bytes=${from}-${end - 1}` }
  return from > 0 ? { range: `bytes=${from}-` } : {}
}
