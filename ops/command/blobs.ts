import type { content, Info } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import { type FilterOptions, filtersOf } from './filters.ts'
import { labelsText } from './labels.ts'
import { ago, type Column, type Listing, listing, print, size } from './output.ts'
import { pages } from './pages.ts'

/** What of blobs is listed. */
export interface ListOptions extends FilterOptions {
  /** the digests only */
  readonly quiet?: boolean
}

/** Print every blob of a node, its labels too if they are wanted. */
export async function listBlobs(
  store: Client<typeof content>,
  how: Listing,
  { quiet = false, labels = false, ...filters }: ListOptions & { labels?: boolean },
): Promise<void> {
  const rows = await pages(
    async (after) => await store.list({ ...filtersOf(filters), ...(after !== undefined && { after }) }),
    ({ blobs }) => blobs,
    ({ digest }) => digest,
  )
  print(quiet ? rows.map(({ digest }) => digest) : listing(rows, labels ? [...columns, labelled] : columns, how))
}

const columns: Column<Info>[] = [
  { head: 'DIGEST', value: ({ digest }) => digest },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
  { head: 'AGE', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
]

const labelled: Column<Info> = { head: 'LABELS', value: ({ labels }) => labelsText(labels) }
