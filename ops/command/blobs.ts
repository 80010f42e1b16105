import type { content, Info } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import { ago, type Column, type Listing, listing, print, size } from './output.ts'
import { pages } from './pages.ts'

/** Print every blob of a node; `quiet`: the digests only. */
export async function listBlobs(store: Client<typeof content>, how: Listing, { quiet }: { quiet: boolean }): Promise<void> {
  const rows = await pages(
    async (after) => await store.list(after === undefined ? {} : { after }),
    ({ blobs }) => blobs,
    ({ digest }) => digest,
  )
  print(quiet ? rows.map(({ digest }) => digest) : listing(rows, columns, how))
}

const columns: Column<Info>[] = [
  { head: 'DIGEST', value: ({ digest }) => digest },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
  { head: 'CREATED', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
  {
    head: 'LABELS',
    value: ({ labels }) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
  },
]
