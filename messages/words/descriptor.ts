import { z } from 'zod'
import { Digest } from './digest.ts'
import { Platform } from './platform.ts'
import { Size } from './values.ts'

/** What content is, how it is checked and how long it is (OCI image spec, descriptor). */
export const Descriptor = z
  .object({
    mediaType: z.string().min(1),
    digest: Digest,
    size: Size,
    platform: Platform.optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    urls: z.array(z.string()).optional(),
  })
  .meta({ id: 'Descriptor' })
export type Descriptor = z.output<typeof Descriptor>

/** The most a manifest, an index or a config may weigh before it is refused unread: 4 MiB. */
export const maxDocumentSize = 4 * 1024 * 1024
