import { z } from 'zod'

/** What can be held and collected: a blob, an ingest, a snapshot, a name, a container. */
export const Thing = z
  .object({
    kind: z.enum(['content', 'ingest', 'snapshot', 'image', 'container']),
    key: z.string().min(1).meta({ description: 'digest, reference, driver/key, name or id' }),
  })
  .meta({ id: 'Thing' })
export type Thing = z.output<typeof Thing>
