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
  /** where to stop; before the end of the blob only a range will do */
  readonly end: number
  readonly reached: (offset: number) => void
  readonly attempted: string
  readonly signal: AbortSignal
}

/**
 * Append a body to a sink that is written so far, up to `end`. A registry may answer with the range asked for, or with everything:
 * then what is there already is passed over. Resolves to why it was cut off, when going on later may help; undefined when it is all there.
 * Fails with data_loss when the body is another range, or has more than was asked for; with unimplemented and details {reason: 'range'} when only part was wanted, and
 * everything is sent.
 */
export async function receive(response: Response, receiving: Receiving): Promise<Failure | undefined> {
  const { sink, size, end, reached, attempted, signal } = receiving
  try {
    mustBePlain(response, attempted)
    let passOver = rangeOf(response, receiving)
    const announced = lengthOf(response)
    if (announced !== undefined && announced > passOver + end - sink.offset) throw tooMuch(attempted, end)
    await response.read((piece) => {
      const fresh = passOver > 0 ? piece.subarray(passOver) : piece
      passOver -= piece.length - fresh.length
      if (fresh.length > end - sink.offset) throw tooMuch(attempted, end)
      if (fresh.length === 0) return
      const taken = sink.append(fresh)
      reached(sink.offset)
      return taken
    })
    return sink.offset < end
      ? new Failure('data_loss', `${attempted}: the registry has ${sink.offset} bytes of the ${size} declared`)
      : undefined
  } catch (error) {
    const failure = networkFailure(error, attempted, signal)
    if (signal.aborted || !isFailure(failure, 'unavailable', 'deadline_exceeded')) throw failure
    return sink.offset < end
      ? new Failure(failure.code, `${failure.message}, at byte ${sink.offset} of ${size}`, { cause: error })
      : undefined
  } finally {
    response.discard()
  }
}

const tooMuch = (attempted: string, end: number) =>
  new Failure('data_loss', `${attempted}: the registry sends more than the ${end} bytes there should be`)

/** How many bytes of the body come before `offset`. */
function rangeOf(response: Response, { sink: { offset }, size, end, attempted }: Receiving): number {
  if (response.status !== 206) {
    if (end === size) return offset
    throw new Failure('unimplemented', `${attempted}: the registry sends the whole when asked for a part`, { details: { reason: 'range' } })
  }
  const range = headerOf(response, 'content-range') ?? ''
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? []
  if (Number(first) !== offset || Number(last) >= end || (total !== '*' && Number(total) !== size))
    throw new Failure('data_loss', `${attempted}: asked for bytes ${offset} to ${end - 1}, the registry sends ${JSON.stringify(range)}`)
  return 0
}
