import type { Client } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import { type FilterOptions, filtersOf } from './filters.ts'
import { ago, type Column, type Listing, listing, print, short, size } from './output.ts'
import { pages } from './pages.ts'

type Row = Awaited<ReturnType<Client<typeof image>['list']>>['images'][number]

/** Print every image of a node. */
export async function listImages(images: Client<typeof image>, how: Listing, filters: FilterOptions): Promise<void> {
  const rows = await pages(
    async (after: string | undefined) => await images.list({ ...filtersOf(filters), ...(after !== undefined && { after }) }),
    (page) => page.images,
    ({ name }) => name,
  )
  print(listing(rows, columns, how))
}

const columns: Column<Row>[] = [
  { head: 'NAME', value: ({ name }) => name },
  { head: 'DIGEST', value: ({ target }) => target.digest, shown: ({ target }) => short(target.digest) },
  { head: 'PLATFORM', value: ({ platform }) => [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/') },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
  { head: 'UPDATED', value: ({ updatedAt }) => updatedAt, shown: ({ updatedAt }) => ago(updatedAt) },
]
