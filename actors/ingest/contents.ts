import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'

/** What is content, as those see it who bring more. */
export interface Contents {
  get(digest: Digest): Info | undefined
  /** Inside a transaction: write the record of a new blob, held by the lease, and say so. Fails with already_exists, and with not_found when there is no such lease. */
  create(blob: New): Info
  /** Inside a transaction: what is there gets other bytes, which have yet to reach the disk, and is held by the lease as well. Undefined when it is not there. */
  renew(blob: New): Info | undefined
  /** Inside a transaction: have the lease hold what is there, or keep it for a while. Undefined when it is not. Fails with not_found when there is no such lease. */
  hold(digest: Digest, lease: string | undefined): Info | undefined
  /** In a transaction of its own: fails with already_exists when it is there, then held as by hold. */
  demandAbsent(digest: Digest, lease: string | undefined): Promise<void>
}

/** A blob that becomes content. */
export interface New {
  readonly digest: Digest
  readonly size: number
  readonly labels?: Info['labels'] | undefined
  readonly lease?: string | undefined
  readonly at: string
  readonly trace?: string | undefined
}

export function openContents({ tables, outbox, keeping }: { tables: Tables; outbox: Pick<Outbox, 'put'>; keeping: Keeping }): Contents {
  const table = tables.table<Info>('content')
  const contents: Contents = {
    get: (digest) => table.get(digest),
    create({ digest, size, labels = {}, lease, at, trace }) {
      if (table.get(digest)) throw alreadyContent(digest)
      const info: Info = { digest, size, createdAt: at, updatedAt: at, labels, durable: false }
      table.put(digest, info)
      keeping.keep(contentThing(digest), { lease, size, labels })
      outbox.put({ actor: 'content', fact: 'created', entity: digest, data: { digest, size }, trace })
      return info
    },
    renew({ digest, lease, at }) {
      const info = contents.hold(digest, lease)
      if (info) table.put(digest, { ...info, updatedAt: at, durable: false })
      return info
    },
    hold(digest, lease) {
      const info = table.get(digest)
      if (info) keeping.keep(contentThing(digest), { lease, size: info.size, labels: info.labels })
      return info
    },
    async demandAbsent(digest, lease) {
      if (!table.get(digest)) return
      if (await tables.transaction(() => contents.hold(digest, lease))) throw alreadyContent(digest)
    },
  }
  return contents
}

export const contentThing = (digest: Digest) => ({ kind: 'content', key: digest })

export const alreadyContent = (digest: Digest) =>
  new Failure('already_exists', `ingest ${digest}: it is content already`, { details: { digest } })
