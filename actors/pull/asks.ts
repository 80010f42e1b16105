import type { content } from '../../messages/content.ts'
import type { Client, Log } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import type { tag } from '../../messages/tag.ts'
import type { unpack } from '../../messages/unpack.ts'
import type { Enter } from './company.ts'
import type { Source } from './source.ts'

/** The actors a pull talks to. */
export interface Asks {
  readonly tag: Client<typeof tag>
  readonly source: Source
  /** Meet the others who want a blob. */
  readonly enter: Enter
  readonly ingest: Client<typeof ingest>
  readonly content: Client<typeof content>
  readonly snapshot: Client<typeof snapshot>
  readonly unpack: Client<typeof unpack>
  readonly image: Client<typeof image>
  readonly lease: Client<typeof lease>
  readonly log: Log
  /** Run `work` again, once the bus is back, for as long as it fails because the bus was lost meanwhile. */
  readonly persist: <T>(work: () => Promise<T>, options: { signal: AbortSignal }) => Promise<T>
}
