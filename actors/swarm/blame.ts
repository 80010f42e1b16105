import type { Log } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Grudges } from './grudges.ts'

/** Name, in an event, a node that sent or said what is not so, and do not believe it for a while. */
export type Blame = (digest: Digest, sender: string, piece: number | undefined, why: string) => void

export function openBlame({ tables, outbox, grudges, log }: { tables: Tables; outbox: Outbox; grudges: Grudges; log: Log }): Blame {
  return (digest, sender, piece, why) => {
    grudges.hold(sender)
    log.warn({ sender, piece, digest }, why)
    const data = { digest, sender, why, ...(piece !== undefined && { piece }) }
    tables
      .transaction(() => outbox.put({ actor: 'swarm', fact: 'blamed', entity: digest, data }))
      .catch((error: unknown) => log.warn({ err: error, sender, digest }, 'tell who is to blame'))
  }
}
