import { closeSync, openSync, readSync } from 'node:fs'
import { Failure } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'

/** How far a blob is on disk. It grows; the last one says `complete`. */
export interface Growth {
  readonly path: string
  readonly offset: number
  readonly complete: boolean
}

/** bytes read at once: a hundred reads a second at most, and small beside the uncompressed chunks */
const pieceSize = 256 * 1024

/**
 * The bytes of a blob as they arrive. The file is opened once, so it may be renamed meanwhile. Waits for growth and never asks for it;
 * growth that comes while bytes are used is taken together. A piece is good until the next is asked for. `size` is what the whole must come to. Fails with data_loss when it does
 * not, unavailable when growth ends early.
 */
export async function* readGrowing(
  growth: AsyncIterable<Growth>,
  { size, signal }: { size: number; signal: AbortSignal },
): AsyncGenerator<Buffer> {
  using latest = follow(growth, signal)
  let file: { path: string; fd: number } | undefined
  let at = 0
  const room = Buffer.allocUnsafeSlow(Math.min(pieceSize, size))
  try {
    for (let known = await latest.beyond(-1); ; known = await latest.beyond(at)) {
      file ??= open(known.path)
      // Renamed between the telling and the opening, because it became content: where it is now is told next.
      if (file === undefined && !known.complete) file = open((known = await latest.elsewhere(known.path)).path)
      file ??= gone(known.path)
      if (known.offset < at) throw new Failure('unavailable', `read ${file.path}: it began anew at ${known.offset} after ${at}`)
      if (known.offset > size) throw new Failure('data_loss', `read ${file.path}: ${known.offset} bytes where ${size} were said`)
      while (at < known.offset) {
        signal.throwIfAborted()
        const piece = read(file, at, room.subarray(0, known.offset - at))
        at += piece.length
        yield piece
      }
      if (known.complete) break
    }
    if (at !== size) throw new Failure('data_loss', `read ${file.path}: ${at} bytes where ${size} were said`)
  } finally {
    if (file !== undefined) closeSync(file.fd)
  }
}

/** Undefined when there is no such file. */
function open(path: string): { path: string; fd: number } | undefined {
  try {
    return { path, fd: openSync(path, 'r') }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw fromErrno(error, `open blob ${path}`)
  }
}

function gone(path: string): never {
  throw new Failure('not_found', `open blob ${path}: it is not there`)
}

/** In place: the bytes were just written, so they are in memory. */
function read({ path, fd }: { path: string; fd: number }, at: number, room: Buffer): Buffer {
  let got: number
  try {
    got = readSync(fd, room, 0, room.length, at)
  } catch (error) {
    throw fromErrno(error, `read blob ${path}`)
  }
  if (got === 0) throw new Failure('data_loss', `read blob ${path}: it ends at ${at} and was said to go on`)
  return room.subarray(0, got)
}

interface Latest extends Disposable {
  /** The latest growth, as soon as it is past `offset` or complete. */
  beyond(offset: number): Promise<Growth>
  /** The latest growth, as soon as it is in another file than `path`; fails when it never is. */
  elsewhere(path: string): Promise<Growth>
}

/** Takes growth as it comes, so that who tells it never waits for who reads. */
function follow(growth: AsyncIterable<Growth>, signal: AbortSignal): Latest {
  let latest: Growth | undefined
  let over: { error: unknown } | undefined
  let changed = Promise.withResolvers<void>()
  const wake = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const iterator = growth[Symbol.asyncIterator]()
  const pump = async (): Promise<void> => {
    try {
      // To its very end, which follows when it is whole: one that is left before has to be told so.
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        latest = next.value
        wake()
      }
      over = { error: new Failure('unavailable', 'read blob: it stopped arriving before it was whole') }
    } catch (error) {
      over = { error }
    }
    wake()
  }
  void pump()
  const abort = (): void => {
    over ??= { error: signal.reason }
    wake()
  }
  signal.addEventListener('abort', abort, { once: true })
  const first = async (wanted: (growth: Growth) => boolean): Promise<Growth> => {
    for (;;) {
      signal.throwIfAborted()
      if (latest !== undefined && wanted(latest)) return latest
      if (over !== undefined) throw over.error
      await changed.promise
    }
  }
  return {
    beyond: (offset) => first((growth) => growth.complete || growth.offset !== offset),
    elsewhere: (path) => first((growth) => growth.path !== path),
    [Symbol.dispose]() {
      signal.removeEventListener('abort', abort)
      // its own end is of no interest any more
      iterator.return?.().catch(() => {})
    },
  }
}
