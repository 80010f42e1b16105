import type { Digest } from '../../messages/words/index.ts'
import type { Tables } from '../../runtime/tables.ts'

/** How an ingest ended: as content, through itself or another, or thrown away. */
export interface Ending {
  readonly reference: string
  /** the last of its epochs */
  readonly epoch: string
  readonly found?: { readonly digest: Digest; readonly size: number } | undefined
  readonly why?: string | undefined
}

/** How the latest ingests ended, for those who follow them, in this process or another: their records are gone by then. */
export interface Endings {
  /** Inside a transaction. */
  put(ending: Ending): void
  /** Undefined when it has not ended, or so many have since that it is forgotten. */
  find(reference: string, epoch: string): Ending | undefined
}

/** As many as are remembered. Who follows looks at once when one ends, so this is for as many as end within a moment. */
const remembered = 1_000

export function openEndings(tables: Tables): Endings {
  const slots = tables.table<Ending>('ingest-ending')
  const counters = tables.table<number>('ingest-endings')
  return {
    put(ending) {
      const count = counters.get('next') ?? 0
      counters.put('next', (count + 1) % remembered)
      slots.put(String(count).padStart(4, '0'), ending)
    },
    find(reference, epoch) {
      for (const { value } of slots.range()) if (value.epoch === epoch && value.reference === reference) return value
      return undefined
    },
  }
}
