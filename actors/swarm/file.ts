import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { pieceSize } from '../../messages/swarm.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { boundsOf } from './pieces.ts'

/** The lent file of a blob that comes in pieces, in any order. */
export interface PieceFile extends AsyncDisposable {
  /** All bytes before it are in the lent file. */
  readonly prefix: number
  /** Write a piece that was verified, each once. */
  write(piece: number, bytes: Uint8Array): Promise<void>
  /** Move what is here, and whose turn it is, into the lent file. */
  settle(): Promise<void>
  /**
   * A file, and where in it to begin, for somebody else to write the pieces from `from` on, one after another. Until it is handed back, nobody else grows the lent file.
   */
  lend(from: number): Promise<Lent>
  /** Bytes of one piece that was written; as far as they are there. */
  read(piece: number, offset?: number, length?: number): Promise<Uint8Array>
}

/** Where somebody else writes. */
export interface Lent {
  readonly path: string
  readonly offset: number
  /** Bytes of a piece it has written. */
  read(piece: number): Promise<Uint8Array>
  /** A piece was written, all before it from `from` on were too. */
  landed(piece: number): Promise<void>
  /** It writes no more. */
  done(): Promise<void>
}

export interface PieceFileInit {
  /** the file ingest lent */
  readonly path: string
  readonly size: number
  /** bytes that are in it already */
  readonly offset: number
  /** Whether a piece has been verified and written. */
  readonly here: (piece: number) => boolean
  /** How far the lent file is written, told as it grows. */
  readonly grown: (prefix: number) => void
}

/**
 * Of the lent file only a beginning without holes is ever there, because its length is what a restart goes on from. What comes before its turn waits in a file beside it, which is
 * made when it is first needed and is gone with us.
 */
export async function openPieceFile({ path, size, offset, here, grown }: PieceFileInit): Promise<PieceFile> {
  const attempted = `write pieces to ${path}`
  const file = await attempt(attempted, () => open(path, constants.O_RDWR | constants.O_NOFOLLOW))
  const beside = join(dirname(dirname(path)), `${process.pid}-${randomUUID()}.pieces`)
  let side: Promise<FileHandle> | undefined
  let prefix = offset
  /** somebody else grows the lent file */
  let lent = false
  let settling: Promise<void> = Promise.resolve()

  const waiting = (): Promise<FileHandle> => (side ??= makeSparse(beside, size))
  const next = (): number => Math.floor(prefix / pieceSize)

  function grow(to: number): void {
    if (to <= prefix) return
    prefix = to
    grown(to)
  }

  async function settle(): Promise<void> {
    while (!lent && prefix < size && here(next())) {
      const { start, end } = boundsOf(next(), size)
      await writeAll(file, await readAll(await waiting(), start, end - start), start)
      grow(end)
    }
  }

  /** One at a time. */
  function settled(): Promise<void> {
    const turn = settling.then(() => attempt(attempted, settle))
    settling = turn.catch(() => {})
    return turn
  }

  return {
    get prefix() {
      return prefix
    },
    settle: settled,
    write: (piece, bytes) =>
      attempt(attempted, async () => {
        const { start, end } = boundsOf(piece, size)
        const direct = !lent && piece === next()
        await writeAll(direct ? file : await waiting(), bytes, start)
        if (direct) grow(end)
      }),
    async lend(from) {
      await settling
      const direct = !lent && from === next()
      if (direct) lent = true
      else await attempt(attempted, waiting)
      return {
        path: direct ? path : beside,
        offset: direct ? prefix : boundsOf(from, size).start,
        read: (piece) =>
          attempt(`read a piece of ${path}`, async () => {
            const { start, end } = boundsOf(piece, size)
            return await readAll(direct ? file : await waiting(), start, end - start)
          }),
        async landed(piece) {
          if (direct) grow(boundsOf(piece, size).end)
        },
        async done() {
          if (direct) lent = false
          await settled()
        },
      }
    },
    read: (piece, from = 0, length = pieceSize) =>
      attempt(`read a piece of ${path}`, async () => {
        const { start, end } = boundsOf(piece, size)
        return await readAll(end <= prefix ? file : await waiting(), start + from, Math.min(length, end - start - from))
      }),
    async [Symbol.asyncDispose]() {
      await settling
      await file.close()
      if (!side) return
      await (await side).close()
      await unlink(beside).catch(() => {})
    },
  }
}

/** A file with nothing in it, and that long. */
async function makeSparse(path: string, size: number): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600)
  await file.truncate(size)
  return file
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

async function readAll(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) throw new Failure('data_loss', `the file ends at ${at + done}`)
    done += bytesRead
  }
  return bytes
}

async function attempt<T>(attempted: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromErrno(error, attempted)
  }
}
