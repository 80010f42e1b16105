import type { ingestMachine } from '../../machines/ingest.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Status } from '../../messages/ingest.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { parseFilters } from '../../runtime/filter.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Seen } from './follow.ts'
import type { Holding } from './holding.ts'
import type { Lending } from './lending.ts'
import type { Ingest } from './life.ts'
import { statusOf } from './status.ts'

export interface ViewComponents {
  readonly tables: Tables
  readonly records: Records<typeof ingestMachine>
  readonly blobs: Blobs
  readonly lending: Lending
  readonly holding: Pick<Holding, 'freed'>
  readonly now: () => string
}

/** Ingests as those see them who do not write. What is at its end is no ingest any more. */
export interface Views {
  /** Fails with not_found. */
  status(reference: string): Promise<Status>
  /** Those that pass a filter. Fails with invalid_argument. */
  list(filters?: readonly string[]): Promise<Status[]>
  /** As a follower sees it, one whose holder is dead closed first; undefined when there is none. */
  look(reference: string): Promise<Seen | undefined>
}

export function openViews(components: ViewComponents): Views {
  const { records, blobs, holding } = components
  const find = (reference: string) => {
    const found = records.get(blobs.ingest(reference).id)
    return found && unfinished(found) ? found : undefined
  }
  const views: Views = {
    async status(reference) {
      const found = find(reference)
      if (!found) throw new Failure('not_found', `find ingest ${reference}: there is none`)
      return await statusOf(components, found)
    },
    async list(filters = []) {
      const passes = parseFilters(filters)
      const all = records.list().filter(unfinished)
      return (await Promise.all(all.map((found) => statusOf(components, found)))).filter(passes)
    },
    async look(reference) {
      const there = find(reference)
      const found = there && (await holding.freed(there))
      if (!found || !unfinished(found)) return undefined
      const { epoch, grant } = found.context
      const { state, offset, total } = await statusOf(components, found)
      // It ended, or began anew, while its file was looked at: what was seen is of neither time.
      if (find(reference)?.context.epoch !== epoch) return await views.look(reference)
      const item = { state, path: blobs.ingest(reference).data, offset, ...(total !== undefined && { total }) }
      return { item, epoch, holder: grant?.holder }
    },
  }
  return views
}

const unfinished = ({ value }: Ingest): boolean => value !== 'committed' && value !== 'aborted'
