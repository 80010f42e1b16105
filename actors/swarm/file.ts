import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { pieceSize } from '../../messages/swarm.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { leavingRoom, type Spend } from '../../runtime/room.ts'
import { type Aside, openAside } from './aside.ts'
import type { Memory } from './memory.ts'
import { boundsOf, type Pieces } from './pieces.ts'
import { type Part, readPart, writeAll } from './whole.ts'

/** A file of ingest's that a blob goes into. */
export interface LentFile {
  readonly path: string
  /** bytes that are in it already */
  readonly offset: number
  /** How far it is written, told as it grows. */
  readonly grown: (prefix: number) => void
}

/** The pieces of a blob that comes in any order. */
export interface PieceFile extends AsyncDisposable {
  /** All bytes before it are in the lent file. */
  readonly prefix: number
  /** Go on in a file that was lent, after whatever became of one that was lent before. What is in it whole, and what waits for its turn, is here then, and nothing else. */
  goOn(lent: LentFile): Promise<void>
  /** Write a piece that was verified. */
  write(piece: number, bytes: Uint8Array): Promise<void>
  /** Move what is here, and whose turn it is, into the lent file. */
  settle(): Promise<void>
  /**
   * A file, and where in it to begin, for somebody else to write the pieces from `from` on, one after another. Until it is handed back, nobody else grows the lent file.
   */
  lend(from: number): Promise<Lent>
  /** Bytes of one piece that is here. */
  read(piece: number, part?: Part): Promise<Uint8Array>
}

/** Where somebody else writes. */
export interface Lent {
  readonly path: string
  readonly offset: number
  /** Bytes of a piece it has written. */
  read(piece: number, part?: Part): Promise<Uint8Array>
  /** So much is written; answers whether that made the lent file longer. */
  reached(offset: number): boolean
  /** A piece was written, all before it from `from` on were too. */
  landed(piece: number): Promise<void>
  /** It writes no more. */
  done(): Promise<void>
}

export interface PieceFileInit {
  readonly size: number
  /** pieces that are here, kept as they are by `goOn` only */
  readonly here: Pieces
  /** file beside the lent one, made when it is first needed */
  readonly beside: string
  readonly memory: Memory
}

/** A lent file that is open. */
interface Open extends LentFile {
  readonly file: FileHandle
  readonly spend: Spend
}

/**
 * Of the lent file only a beginning without holes is ever there, because its length is what a restart goes on from. What comes before its turn waits in a file beside it, which is
 * gone with us. Writing leaves room on the disk.
 */
export function openPieceFile({ size, here, beside, memory }: PieceFileInit): PieceFile {
  const aside: Aside = openAside({ path: beside, size })
  let current: Open | undefined
  let prefix = 0
  /** somebody else grows the lent file */
  let away = false
  let settling: Promise<void> = Promise.resolve()

  const next = (): number => Math.floor(prefix / pieceSize)
  const lentFile = (): Open => {
    if (!current) throw new Failure('failed_precondition', 'write a piece: no file is lent')
    return current
  }

  function grow(to: number): void {
    if (to <= prefix) return
    prefix = to
    current?.grown(to)
  }

  async function append(piece: number, bytes: Uint8Array): Promise<void> {
    const { start, end } = boundsOf(piece, size)
    const { file, spend } = lentFile()
    spend(bytes.length)
    await writeAll(file, bytes, start)
    grow(end)
  }

  async function settle(): Promise<void> {
    while (!away && prefix < size && aside.has(next())) {
      const piece = next()
      await memory.lend(async (into) => await append(piece, await aside.read(piece, { into })))
    }
  }

  /** One at a time. */
  function settled(): Promise<void> {
    const turn = settling.then(() => attempt(lentFile().path, settle))
    settling = turn.catch(() => {})
    return turn
  }

  return {
    get prefix() {
      return prefix
    },
    async goOn(lent) {
      await settling
      await current?.file.close()
      current = undefined
      const file = await attempt(lent.path, () => open(lent.path, constants.O_RDWR | constants.O_NOFOLLOW))
      current = { ...lent, file, spend: leavingRoom(dirname(lent.path), file.fd) }
      prefix = lent.offset
      away = false
      for (let piece = 0; piece < here.count; piece++) {
        if (boundsOf(piece, size).end <= prefix || aside.has(piece)) here.add(piece)
        else here.drop(piece)
      }
    },
    settle: settled,
    write: (piece, bytes) => attempt(lentFile().path, () => (!away && piece === next() ? append(piece, bytes) : aside.write(piece, bytes))),
    async lend(from) {
      await settling
      const { path, file } = lentFile()
      const direct = !away && from === next()
      if (direct) away = true
      else await attempt(path, aside.make)
      return {
        path: direct ? path : beside,
        offset: direct ? prefix : boundsOf(from, size).start,
        read: (piece, part) => attempt(path, () => (direct ? readPart(file, boundsOf(piece, size), part) : aside.read(piece, part))),
        reached(offset) {
          const longer = direct && offset > prefix
          if (longer) grow(offset)
          return longer
        },
        async landed(piece) {
          if (direct) grow(boundsOf(piece, size).end)
          else aside.add(piece)
        },
        async done() {
          if (direct) away = false
          await settled()
        },
      }
    },
    async read(piece, part) {
      const { path, file } = lentFile()
      const bounds = boundsOf(piece, size)
      return await attempt(path, () => (bounds.end <= prefix ? readPart(file, bounds, part) : aside.read(piece, part)))
    },
    async [Symbol.asyncDispose]() {
      await settling
      await current?.file.close()
      await aside[Symbol.asyncDispose]()
    },
  }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromErrno(error, `keep pieces of ${path}`)
  }
}
