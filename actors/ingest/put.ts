import type { Info } from '../../messages/content.ts'
import type { Labels } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Table, Tables } from '../../runtime/tables.ts'
import { alreadyContent, createContent } from './life.ts'
import { type Putter, placeSmall, type Small } from './small.ts'
import type { Asked } from './transactions.ts'

export interface PutComponents {
  readonly me: Putter
  readonly blobs: Blobs
  readonly tables: Tables
  readonly contents: Table<Info>
  readonly outbox: Pick<Outbox, 'put'>
  readonly now: () => string
}

/** A small blob into content in one go: no record of an ingest, its facts are told all the same. Fails with already_exists or data_loss. */
export async function put(
  components: PutComponents,
  small: Small & { reference: string; labels?: Labels | undefined },
  { signal, trace }: Asked,
): Promise<Info> {
  const { blobs, tables, contents, outbox, now } = components
  const { reference, digest, bytes, labels } = small
  const putAlone = async () => {
    if (contents.get(digest)) throw alreadyContent(digest)
    await placeSmall(components, small, { signal })
    return await tables.transaction(() => {
      outbox.put({ actor: 'ingest', fact: 'committed', entity: reference, data: { reference, digest, size: bytes.length }, trace })
      return createContent({ contents, outbox }, { digest, size: bytes.length, labels, at: now(), trace })
    })
  }
  return await blobs.alone(digest, putAlone, { signal })
}
