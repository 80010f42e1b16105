import { unlink } from 'node:fs/promises'
import type { Info } from '../../messages/content.ts'
import type { Labels, Lease } from '../../messages/words/index.ts'
import { type Blobs, clearPlace } from '../../runtime/blobs.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Spend } from '../../runtime/room.ts'
import type { Tables } from '../../runtime/tables.ts'
import { alreadyContent, type Contents } from './contents.ts'
import type { Asked } from './holding.ts'
import { type Putter, type Small, writeSmall } from './small.ts'

export interface PutComponents {
  readonly me: Putter
  readonly spend: Spend
  readonly blobs: Blobs
  readonly tables: Tables
  readonly contents: Contents
  readonly outbox: Pick<Outbox, 'put'>
  readonly now: () => string
}

/** A small blob into content in one go: no record of an ingest, its facts are told all the same. Fails with already_exists or data_loss. */
export async function put(
  components: PutComponents,
  small: Small & { reference: string; labels?: Labels | undefined; lease?: Lease | undefined },
  { signal, trace }: Asked,
): Promise<Info> {
  const { blobs, tables, contents, outbox, now } = components
  const { reference, digest, bytes, labels, lease } = small
  await contents.demandAbsent(digest, lease)
  const written = await writeSmall(components, small, { signal })
  const place = () => {
    if (contents.hold(digest, lease)) return undefined
    outbox.put({ actor: 'ingest', fact: 'committed', entity: reference, data: { reference, digest, size: bytes.length }, trace })
    const info = contents.create({ digest, size: bytes.length, labels, lease, at: now(), trace })
    blobs.place(written, digest)
    return info
  }
  try {
    const info = await tables.transaction(place)
    if (!info) throw alreadyContent(digest)
    return info
  } catch (error) {
    await unlink(written).catch(() => {})
    // Its file may have come into its place, and its record not.
    await clearPlace(components, digest).catch(() => {})
    throw error
  }
}
