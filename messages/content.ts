import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Bytes, Digest, Filters, Labels, Nothing, Size, Time, Unheld } from './words/index.ts'

/** What is known of a blob. `durable` turns true once a sync of the file system has covered it. */
export const Info = z.object({ digest: Digest, size: Size, createdAt: Time, updatedAt: Time, labels: Labels, durable: z.boolean() })
export type Info = z.output<typeof Info>

const digest = `sha256:${'0'.repeat(64)}`

/** The content store: verified, immutable blobs by digest. They come in through ingest. */
export const content = {
  info: call('What is known of a blob.', {
    request: z.object({ digest: Digest }),
    reply: Info,
    failures: ['not_found'],
    example: { digest },
  }),
  list: call(
    'Every blob, by digest; from a digest on, at most a thousand at a time. A filter asks of digest, size, durable or labels.NAME.',
    {
      request: z.object({ after: Digest.optional(), filters: Filters.optional() }),
      reply: z.object({ blobs: z.array(Info), more: z.boolean() }),
      example: {},
    },
  ),
  label: call(
    'Set labels, or take one away by setting it to the empty string. Labels that begin with `gantry.gc.` say what is kept, see gc.',
    {
      request: z.object({ digest: Digest, labels: Labels }),
      reply: Info,
      failures: ['not_found'],
      example: { digest, labels: { 'example.org/owner': 'me' } },
    },
  ),
  relabel: call('Set labels of several blobs, as label does, in one go. Those that are not there are passed over.', {
    request: z.object({
      blobs: z
        .array(z.object({ digest: Digest, labels: Labels }))
        .min(1)
        .max(1000),
    }),
    reply: Nothing,
    example: { blobs: [{ digest, labels: { 'example.org/owner': 'me' } }] },
  }),
  remove: call('Delete a blob. Whoever has it open goes on reading.', {
    request: z.object({ digest: Digest, unheld: Unheld }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition'],
    example: { digest },
  }),
  read: call('Read at most 512 KiB of a blob.', {
    request: z.object({
      digest: Digest,
      offset: Size.default(0),
      length: z
        .int()
        .min(1)
        .max(512 * 1024)
        .default(512 * 1024),
    }),
    reply: z.object({ bytes: Bytes, size: Size.meta({ description: 'of the whole blob' }) }),
    failures: ['not_found', 'out_of_range', 'data_loss'],
    example: { digest, offset: 0, length: 512 },
  }),
  verify: call('Hash a blob again and compare.', {
    request: z.object({ digest: Digest }),
    reply: z.object({ digest: Digest, size: Size }),
    failures: ['not_found', 'data_loss'],
    example: { digest },
  }),
  usage: call('What the store takes up, blobs and unfinished ingests, and what is left on its disk.', {
    request: Nothing,
    reply: z.object({
      blobs: z.object({ count: z.int().min(0), size: Size }),
      ingests: z.object({ count: z.int().min(0), size: Size.meta({ description: 'on disk, room taken beforehand included' }) }),
      free: Size.meta({ description: 'of the file system, for whoever may use it' }),
    }),
    example: {},
  }),
  locate: call('The file a blob lies in, to be opened read-only by processes of the same machine.', {
    request: z.object({ digest: Digest }),
    reply: z.object({ path: z.string(), size: Size }),
    failures: ['not_found'],
    example: { digest },
  }),
  created: event('A blob is there.', z.object({ digest: Digest, size: Size }), { entity: 'digest' }),
  removed: event('A blob is gone.', z.object({ digest: Digest }), { entity: 'digest' }),
} as const
