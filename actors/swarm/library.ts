import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { Failure, isFailure, type Log } from '../../messages/grammar/index.ts'
import type { Gained, Holding } from '../../messages/swarm.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Tables } from '../../runtime/tables.ts'
import { learnAll, type PieceMap, pieceMap, sha256Of } from './map.ts'
import type { ReadOptions } from './memory.ts'
import { boundsOf, countOf } from './pieces.ts'
import { readAll } from './whole.ts'

/** Whole blobs of this node, for others. */
export interface Library {
  /** A blob is content now. `map`: what its pieces hash to, if that is known. */
  add(digest: Digest, size: number, map?: Uint8Array): void
  remove(digest: Digest): void
  has(digest: Digest): boolean
  /** What others can have of it; undefined when it is not here. */
  holding(digest: Digest): Holding | undefined
  /** Bytes of it. Fails with not_found when it is not, or no longer, here. */
  read(digest: Digest, range: Range, options?: Pick<ReadOptions, 'into'>): Promise<Uint8Array>
}

export interface LibraryComponents {
  readonly node: string
  readonly blobs: Pick<Blobs, 'blob'>
  readonly tables: Tables
  /** Told of each piece whose hash becomes known, and of blobs that turn out not to be there. */
  readonly gained: (digest: Digest, gained: Omit<Gained, 'node'>) => void
  readonly missing: (digest: Digest) => void
  readonly log: Log
}

/** Bytes of a blob. */
interface Range {
  readonly offset: number
  readonly length: number
}

interface Book {
  readonly size: number
  map: PieceMap
  mapping?: Promise<void>
}

/**
 * What its pieces hash to is worked out when a blob is first asked for, told piece by piece, and kept: a blob that came in pieces was checked against the same.
 */
export function openLibrary({ node, blobs, tables, gained, missing, log }: LibraryComponents): Library {
  const books = new Map<Digest, Book>()
  const maps = tables.table<Uint8Array>('swarm.map')

  async function readAt(digest: Digest, { offset, length }: Range, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    try {
      await using file = await open(blobs.blob(digest), 'r')
      return await readAll(file, offset, length, into)
    } catch (error) {
      throw fromErrno(error, `read ${length} bytes at ${offset} of ${digest}`)
    }
  }

  /** Hash a blob piece by piece, and whole: pieces of what was damaged behind our back are not to be vouched for any longer than it takes to see that. */
  async function work(digest: Digest, book: Book): Promise<void> {
    const { size, map } = book
    const [algorithm = ''] = digest.split(':')
    const whole = createHash(algorithm)
    for (let piece = 0; piece < countOf(size); piece++) {
      const { start, end } = boundsOf(piece, size)
      const bytes = await readAt(digest, { offset: start, length: end - start })
      if (books.get(digest) !== book) return
      whole.update(bytes)
      if (map.knows(piece)) continue
      const sha256 = sha256Of(bytes)
      map.learn(piece, sha256, node)
      gained(digest, { piece, sha256 })
    }
    const found = `${algorithm}:${whole.digest('hex')}`
    if (found !== digest) throw new Failure('data_loss', `hash the pieces of ${digest}: its file is ${found}`)
    await keep(digest, map)
  }

  async function keep(digest: Digest, map: PieceMap): Promise<void> {
    const bytes = map.bytes()
    if (bytes) await tables.transaction(() => maps.put(digest, bytes))
  }

  /** Its file may have been taken away behind our back: then it is not offered any more. */
  function failed(digest: Digest, error: unknown): void {
    log.warn({ err: error, digest }, 'a blob cannot be given to other nodes')
    if (isFailure(error, 'not_found', 'data_loss')) missing(digest)
  }

  return {
    add(digest, size, known) {
      const map = pieceMap(size)
      const stored = known ?? maps.get(digest)
      if (stored) learnAll(map, stored, node)
      books.set(digest, { size, map })
      if (known) keep(digest, map).catch((error: unknown) => log.warn({ err: error, digest }, 'keep what pieces hash to'))
    },
    remove(digest) {
      books.delete(digest)
      if (maps.get(digest) === undefined) return
      tables
        .transaction(() => maps.remove(digest))
        .catch((error: unknown) => log.warn({ err: error, digest }, 'forget what pieces hash to'))
    },
    has: (digest) => books.has(digest),
    holding(digest) {
      const book = books.get(digest)
      if (!book) return undefined
      const { size, map } = book
      // The whole of it is offered before that is known: who is there at once need not ask the registry meanwhile.
      if (map.known < countOf(size)) book.mapping ??= work(digest, book).catch((error: unknown) => failed(digest, error))
      const bytes = map.bytes()
      return { node, digest, size, complete: true, ...(bytes && { map: bytes }) }
    },
    async read(digest, { offset, length }, { into } = {}) {
      const book = books.get(digest)
      const attempted = `read ${length} bytes at ${offset} of ${digest}`
      if (!book) throw new Failure('not_found', `${attempted}: it is not here`)
      if (offset + length > book.size) throw new Failure('out_of_range', `${attempted}: it has ${book.size}`)
      try {
        return await readAt(digest, { offset, length }, into)
      } catch (error) {
        failed(digest, error)
        throw error
      }
    },
  }
}
