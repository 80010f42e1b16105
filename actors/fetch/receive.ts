import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { headerOf, networkFailure, type Response } from './transport.ts'
import { lengthOf, mustBePlain } from './whole.ts'

/** What takes the bytes of a blob, in order: a lent file, or whoever reads along. */
export interface Sink {
  /** How many bytes it has. */
  readonly offset: number
  /** A promise holds up what follows. */
  append(bytes: Uint8Array): void | Promise<void>
}

export interface Receiving {
  readonly sink: Sink
  /** of the whole blob */
  readonly size: number
  readonly reached: (offset: number) => void
  readonly attempted: string
  readonly signal: AbortSignal
}

/**
 * Append a body to a sink that is written so far, up to the blob's size. A registry may answer with the range asked for, or with everything:
 * then what is there already is passed over. Resolves to why it was cut off, when going on later may help; undefined when it is all there.
 * Fails with data_loss when the body is another range, or has more than the size.
 */
export async function receive(response: Response, { sink, size, reached, attempted, signal }: Receiving): Promise<Failure | undefined> {
  try {
    mustBePlain(response, attempted)
    let passOver = rangeOf(response, sink.offset, size, attempted)
    const announced = lengthOf(response)
    if (announced !== undefined && announced > passOver + size - sink.offset) throw tooMuch(attempted, size)
    await response.read((piece) => {
      const fresh = passOver > 0 ? piece.subarray(passOver) : piece
      passOver -= piece.length - fresh.length
      if (fresh.length > size - sink.offset) throw tooMuch(attempted, size)
      if (fresh.length === 0) return
      const taken = sink.append(fresh)
      reached(sink.offset)
      return taken
    })
    return sink.offset < size
      ? new Failure('data_loss', `${attempted}: the registry has ${sink.offset} bytes of the ${size} declared`)
      : undefined
  } catch (error) {
    const failure = networkFailure(error, attempted, signal)
    if (signal.aborted || !isFailure(failure, 'unavailable', 'deadline_exceeded')) throw failure
    return sink.offset < size
      ? new Failure(failure.code, `${failure.message}, at byte ${sink.offset} of ${size}`, { cause: error })
      : undefined
  } finally {
    response.discard()
  }
}

const tooMuch = (attempted: string, size: number) =>
  new Failure('data_loss', `${attempted}: the registry sends more than the ${size} bytes declared`)

/** How many bytes of the body come before `offset`. */
function rangeOf(response: Response, offset: number, size: number, attempted: string): number {
  if (response.status !== 206) return offset
  const range = headerOf(response, 'content-range') ?? ''
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? []
  if (Number(first) !== offset || Number(last) >= size || (total !== '*' && Number(total) !== size))
    throw new Failure('data_loss', `${attempted}: asked for bytes ${offset} to ${size - 1}, the registry sends ${JSON.stringify(range)}`)
  return 0
}
