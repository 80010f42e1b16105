import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Bytes, Descriptor, Size, Time } from './words/index.ts'

const registryFailures = [
  'not_found',
  'unauthenticated',
  'permission_denied',
  'resource_exhausted',
  'data_loss',
  'unimplemented',
  'out_of_range',
] as const
const reference = '127.0.0.1:5000/library/redis:latest'
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: `sha256:${'0'.repeat(64)}`, size: 2 }

/** Registries: turn a reference into a descriptor, and a descriptor into bytes in a file. */
export const fetch = {
  resolve: call('Ask the registry what a reference names now.', {
    request: z.object({ reference: z.string() }),
    reply: z.object({
      name: z.string().meta({ description: 'the reference in full; what object and blob are asked with' }),
      descriptor: Descriptor,
    }),
    failures: registryFailures,
    example: { reference },
  }),
  object: feed(
    'Fetch what a reference names, or its descriptor says; nothing is stored. Up to 4 MiB, and any manifest or index, is verified whole before the first piece is sent; a larger blob is sent as it is read, and the feed fails with data_loss in the end when it is not what its digest says.',
    {
      request: z.object({
        reference: z.string(),
        descriptor: Descriptor.optional(),
        mediaType: z.string().min(1).optional().meta({
          description: 'without a descriptor: which document is wanted of those a tag stands for, or that a digest is the one of a blob',
        }),
      }),
      item: z.object({ descriptor: Descriptor, bytes: Bytes.meta({ description: 'the next piece, at most 512 KiB' }) }),
      failures: registryFailures,
      example: { reference },
    },
  ),
  blob: feed('Stream a blob from the registry into a lent file, from an offset on, telling ingest as it grows.', {
    request: z.object({
      name: z.string(),
      descriptor: Descriptor,
      token: z.string().optional().meta({ description: 'of the open ingest, which is told as it grows; nobody is told if left out' }),
      path: z.string().meta({ description: 'the file ingest lent' }),
      offset: Size.meta({ description: 'where to begin; of a blob asked for whole, what is before it stands' }),
      end: Size.optional().meta({
        description:
          'where to stop, the end of the blob if left out. A registry that has no ranges answers unimplemented with details {reason: "range"}, and nothing was read',
      }),
    }),
    item: z.object({ offset: Size }),
    failures: [...registryFailures, 'failed_precondition'],
    example: { name: reference, descriptor, token: 'a-token-of-ingest-open', path: '/var/lib/gantry/content/ingest/0a/data', offset: 0 },
  }),
  throttled: event('A registry asks for patience; every node gives it.', z.object({ registry: z.string(), until: Time, status: z.int() }), {
    entity: 'registry',
    durable: false,
  }),
} as const
