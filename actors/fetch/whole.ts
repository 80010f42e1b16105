import { createHash } from 'node:crypto'
import { Failure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import { headerOf, networkFailure, type Response } from './transport.ts'

/**
 * A small body, whole. Fails with out_of_range as soon as it is known to be longer than `limit`, having read no more than that;
 * with data_loss when it ends before the length it announced.
 */
export async function readWhole(
  response: Response,
  { limit, attempted, signal }: { limit: number; attempted: string; signal: AbortSignal },
): Promise<Buffer> {
  const tooLong = () => new Failure('out_of_range', `${attempted}: longer than the ${limit} bytes allowed`)
  const announced = lengthOf(response)
  try {
    mustBePlain(response, attempted)
    if (announced !== undefined && announced > limit) throw tooLong()
    const pieces: Uint8Array[] = []
    let size = 0
    await response.read((piece) => {
      pieces.push(piece)
      if ((size += piece.length) > limit) throw tooLong()
    })
    return Buffer.concat(pieces)
  } catch (error) {
    throw networkFailure(error, attempted, signal)
  } finally {
    response.discard()
  }
}

/** Refuse a body that is encoded although nobody asked for it: its bytes are not those that were named. */
export function mustBePlain(response: Response, attempted: string): void {
  const encoding = headerOf(response, 'content-encoding') ?? 'identity'
  if (encoding !== 'identity')
    throw new Failure('unimplemented', `${attempted}: the body is encoded as ${JSON.stringify(encoding)}, unasked`)
}

/** Content-Length, when there is a sound one. */
export function lengthOf(response: Response): number | undefined {
  const length = headerOf(response, 'content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** The digest of bytes, by the algorithm of `like`. */
export function digestLike(like: Digest | undefined, bytes: Uint8Array): Digest {
  const algorithm = like ? digestParts(like).algorithm : 'sha256'
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}
