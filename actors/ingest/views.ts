import type { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Status } from '../../messages/ingest.ts'
import { isDigest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Table } from '../../runtime/tables.ts'
import { content, type Item } from './follow.ts'
import type { Lending } from './lending.ts'
import type { Ingest } from './life.ts'
import { statusOf } from './status.ts'

export interface ViewComponents {
  readonly records: Records<typeof ingestMachine>
  readonly contents: Table<Info>
  readonly blobs: Blobs
  readonly lending: Lending
}

/** Ingests as those see them who do not write. What is at its end is no ingest any more. */
export interface Views {
  /** Fails with not_found. */
  status(reference: string): Promise<Status>
  list(): Promise<Status[]>
  /** As a follower sees it; as the blob when a reference is the digest of content; undefined when there is neither. */
  look(reference: string): Promise<Item | undefined>
}

export function openViews(components: ViewComponents): Views {
  const { records, contents, blobs } = components
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
    list: () =>
      Promise.all(
        records
          .list()
          .filter(unfinished)
          .map((found) => statusOf(components, found)),
      ),
    async look(reference) {
      const found = find(reference)
      if (found) {
        const { state, offset, total } = await statusOf(components, found)
        // It ended while its file was looked at, which then was somewhere else already: what was seen is of neither time.
        if (!find(reference)) return await views.look(reference)
        return { state, path: blobs.ingest(reference).data, offset, ...(total !== undefined && { total }) }
      }
      const info = isDigest(reference) ? contents.get(reference) : undefined
      return info && content(blobs.blob(info.digest), info.size)
    },
  }
  return views
}

const unfinished = ({ value }: Ingest): boolean => value !== 'committed' && value !== 'aborted'
