import type { PieceFile } from './file.ts'
import { sha256Of } from './map.ts'
import type { Memory } from './memory.ts'
import type { Room } from './room.ts'
import type { Share } from './share.ts'

/**
 * Bytes that are here and came from no other node. What they hash to is our word, unless somebody said before: then they are checked against that. Answers the hash; undefined when they
 * are not what was said.
 */
export function vouch(share: Share, piece: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const { map, checked } = share
  const sha256 = sha256Of(bytes)
  map.learn(piece, sha256, share.node)
  const said = map.hash(piece)
  if (said && Buffer.compare(said, sha256) !== 0) return undefined
  checked.add(piece)
  return sha256
}

/** Vouches for what came before anybody else was there. */
export interface Vouching {
  /** For every piece that is here and was not looked at, in turn; told as it goes. At once while nobody else is there. */
  all(): Promise<void>
}

export interface VouchingComponents {
  readonly share: Share
  readonly file: Pick<PieceFile, 'read'>
  readonly room: Pick<Room, 'tell'>
  readonly memory: Memory
}

/** Reading back and hashing is left until somebody shares the blob: most are brought by one node alone. */
export function openVouching({ share, file, room, memory }: VouchingComponents): Vouching {
  const { here, checked } = share
  /** Pieces that are not what somebody else said. */
  const other = new Set<number>()
  let running: Promise<void> | undefined

  function next(): number | undefined {
    for (let piece = 0; piece < here.count; piece++) if (here.has(piece) && !checked.has(piece) && !other.has(piece)) return piece
    return undefined
  }

  async function one(piece: number): Promise<void> {
    const sha256 = await memory.lend(async (into) => vouch(share, piece, await file.read(piece, { into })))
    if (sha256) room.tell({ piece, sha256 })
    else other.add(piece)
  }

  async function work(): Promise<void> {
    try {
      for (let piece = next(); piece !== undefined; piece = next()) {
        await one(piece)
      }
    } finally {
      // In the turn that found nothing left: what lands in the next is not taken for seen to.
      running = undefined
    }
  }

  return {
    async all() {
      if (!share.company || (!running && next() === undefined)) return
      await (running ??= work())
    },
  }
}
