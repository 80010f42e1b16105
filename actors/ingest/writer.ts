import { constants, fstatSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { giveBack, leavingRoom, takeRoom } from '../../runtime/room.ts'
import { type OpenFile, openFile } from './file.ts'
import type { Slices } from './slices.ts'
import { openTail, type Tail } from './tail.ts'

/** The file of one open ingest, hashed while it grows. Who holds it may also write the file itself, and say so with `advance`. */
export interface Writer extends AsyncDisposable {
  readonly path: string
  /** bytes known to be on disk */
  readonly offset: number
  /** Append at exactly the present offset, else out_of_range. When the disk is full, what it accepted stays. Answers the new offset. */
  write(offset: number, bytes: Uint8Array, options: { signal: AbortSignal }): Promise<number>
  /** The file was written up to `offset`. Fails with out_of_range when it was not, or that is before what was said, or past the total. */
  advance(offset: number, options: { signal: AbortSignal }): Promise<void>
  /** Throw away what follows `offset`, once what is being written is written, and hash from the start again. Fails with out_of_range when so much is not there. */
  truncate(offset: number, options: { signal: AbortSignal }): Promise<void>
  /** Nobody goes on with it for now: give back room that was taken for what is not there. */
  release(): Promise<void>
  /** How many bytes the file has, once what is being written is written. */
  size(): Promise<number>
  /** Bytes of it that are not hashed yet. */
  readonly behind: number
  /** The digest of the whole file. At the end only: nothing may be written from then on. */
  digest(algorithm: string, options: { signal: AbortSignal }): Promise<Digest>
}

export interface WriterInit {
  readonly path: string
  /** what messages call it */
  readonly reference: string
  /** decides the algorithm; sha256 when not known yet */
  readonly expected?: Digest | undefined
  readonly total?: number | undefined
  /** begin with nothing, whatever is there */
  readonly fresh?: boolean | undefined
  /** only to be hashed: it must be there, and may be anybody's to read only */
  readonly readOnly?: boolean | undefined
}

/** Open the file of an ingest, made if it is not there, and begin to hash what it has. */
export async function openWriter(components: { slices: Slices }, init: WriterInit): Promise<Writer> {
  const { reference, total } = init
  const file = openIts(init)
  try {
    if (!init.readOnly) await takeRoom(file, { directory: dirname(init.path), total })
  } catch (error) {
    file.close()
    throw fromErrno(error, `take room for the ${total} bytes of ingest ${reference}`)
  }
  let tail = openTail(file, init.expected ? digestParts(init.expected).algorithm : 'sha256', components)
  const spend = leavingRoom(dirname(init.path), file.fd)
  let offset = sizeOf(file)
  let writing: Promise<unknown> = Promise.resolve()
  let disposed = false
  tail.reach(offset)

  const outOfRange = (attempted: string, why: string) => {
    throw new Failure('out_of_range', `${attempted} of ingest ${reference}: ${why}`, { details: { offset } })
  }

  function grow(to: number): void {
    offset = to
    tail.reach(to)
  }

  async function append(at: number, bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const attempted = `write ${bytes.length} bytes at ${at}`
    if (at !== offset) outOfRange(attempted, `${offset} bytes are there`)
    if (total !== undefined && at + bytes.length > total) outOfRange(attempted, `its total is ${total}`)
    const failed = (error: unknown) => {
      throw fromErrno(error, `${attempted} of ingest ${reference}`)
    }
    try {
      spend(bytes.length)
    } catch (error) {
      failed(error)
    }
    // Hashed while it is written: what passes here is not read again.
    const writing = fill(bytes, at)
    const hashed = tail.feed(at, bytes)
    await writing.catch(async (error: unknown) => {
      if (hashed) await startOver()
      failed(error)
    })
    return offset
  }

  async function fill(bytes: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done)
      done += bytesWritten
      grow(at + done)
    }
  }

  /** Hash from the start again. */
  async function startOver(): Promise<void> {
    await tail[Symbol.asyncDispose]()
    tail = openTail(file, tail.algorithm, components)
    tail.reach(offset)
  }

  async function cut(to: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (to > offset) outOfRange(`truncate to ${to}`, `${offset} bytes are there`)
    await tail[Symbol.asyncDispose]()
    await file.truncate(to).catch((error: unknown) => {
      throw fromErrno(error, `truncate to ${to} of ingest ${reference}`)
    })
    offset = to
    await startOver()
  }

  /** One after another, in the order asked. */
  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = writing.then(work)
    writing = turn.catch(() => {})
    return turn
  }

  return {
    path: init.path,
    get offset() {
      return offset
    },
    write: (at, bytes, { signal }) => inTurn(() => append(at, bytes, signal)),
    truncate: (to, { signal }) => inTurn(() => cut(to, signal)),
    async advance(to, { signal }) {
      signal.throwIfAborted()
      const attempted = `advance to ${to}`
      if (to < offset) outOfRange(attempted, `${offset} bytes are there`)
      if (total !== undefined && to > total) outOfRange(attempted, `its total is ${total}`)
      const size = sizeOf(file)
      if (to > size) outOfRange(attempted, `its file has ${size} bytes`)
      if (to > offset) grow(to)
    },
    release: () => inTurn(() => giveBack(file, total)),
    async size() {
      await writing
      return sizeOf(file)
    },
    get behind() {
      return sizeOf(file) - tail.hashed
    },
    async digest(algorithm, options) {
      const size = sizeOf(file)
      if (algorithm === tail.algorithm) return `${algorithm}:${await tail.finish(size, options)}`
      await using again: Tail = openTail(file, algorithm, components)
      return `${algorithm}:${await again.finish(size, options)}`
    },
    async [Symbol.asyncDispose]() {
      if (disposed) return
      disposed = true
      await writing
      await tail[Symbol.asyncDispose]()
      file.close()
    },
  }
}

function openIts({ path, reference, readOnly, fresh }: WriterInit): OpenFile {
  const { O_RDWR, O_CREAT, O_TRUNC } = constants
  for (let attempt = 0; ; attempt++) {
    try {
      if (readOnly) return openFile(path, 'r')
      makeDirectory(dirname(path))
      return openFile(path, O_RDWR | O_CREAT | (fresh ? O_TRUNC : 0), 0o600)
    } catch (error) {
      // Whoever had the reference before is just taking its directory away.
      if (readOnly || errnoOf(error) !== 'ENOENT' || attempt >= 10) throw fromErrno(error, `open the file of ingest ${reference}`)
    }
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

/** What the kernel has in memory is not worth another thread. */
const sizeOf = (file: OpenFile): number => fstatSync(file.fd).size
