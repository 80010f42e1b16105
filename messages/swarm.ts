import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Bytes, Descriptor, Digest, Nothing, Size } from './words/index.ts'

const digest = `sha256:${'0'.repeat(64)}`
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 2 }

/** Bytes of a piece; the last of a blob may be shorter. */
export const pieceSize = 1024 * 1024

/** Name of a node, as others say it. */
const Node = z.string().regex(/^[a-z0-9-]{1,32}$/)

/**
 * What a node has of a blob. `pieces` is a bit a piece, the first in the highest bit of the first byte; left out by who has all of it.
 * `map` is the sha256 of each piece, 32 bytes each, zeros where it is not known; left out while nothing is known.
 */
export const Holding = z
  .object({
    node: Node,
    digest: Digest,
    size: Size,
    complete: z.boolean(),
    pieces: Bytes.optional(),
    map: Bytes.optional(),
  })
  .meta({ id: 'Holding' })
export type Holding = z.output<typeof Holding>

/** Asked on `gantry.blob.sha256-<hex>`: what whoever listens there has of the blob. */
export const holders = call('What you have of the blob of this subject.', {
  request: Nothing,
  reply: Holding,
  failures: ['not_found'],
  example: {},
})

/** Told on `gantry.blob.sha256-<hex>.gained`, by each who shares the blob: that it is there, or leaves, and each piece it gains, with what that hashes to. */
export const Gained = z.object({
  node: Node,
  piece: z.int().min(0).optional(),
  sha256: Bytes.optional(),
  complete: z.literal(true).optional(),
  left: z.literal(true).optional(),
})
export type Gained = z.output<typeof Gained>

/** Where the bytes of a blob came from. */
const Sources = z.object({
  origin: Size.meta({ description: 'bytes read from the registry' }),
  peers: z.record(z.string(), Size).meta({ description: 'bytes taken from each node' }),
})

/**
 * Blobs between nodes.
 *
 * *Interest is the index*: a node that has a blob, or some of it, answers on `gantry.blob.sha256-<hex>`, where whoever needs it asks everybody at once with `have`;
 * nobody listening is an immediate answer. Every piece it gains it tells on `gantry.blob.sha256-<hex>.gained`.
 *
 * *Pieces* of 1 MiB are checked on arrival against a map made by whoever read them from the registry. The map itself is provisional until the whole blob is what its digest
 * says: a node whose blob is not, takes it from the registry alone.
 *
 * *Connections* beside the bus carry the same pieces where there can be some (`connect`, ADR 0021); the bus carries them otherwise.
 *
 * *Claims* say who reads which pieces from the registry, so that each is read once; see ADR 0020.
 */
export const swarm = {
  bring: feed(
    'Bring a blob into a lent file, from other nodes or from its registry, whichever has it, telling ingest as it grows. The last item says where it came from.',
    {
      request: z.object({
        name: z.string().meta({ description: 'the reference it is fetched by, for the registry' }),
        descriptor: Descriptor,
        token: z.string().meta({ description: 'of the open ingest' }),
        path: z.string().meta({ description: 'the file ingest lent' }),
        offset: Size.meta({ description: 'where to go on; what is before it stands' }),
        from: z.enum(['anybody', 'registry']).default('anybody'),
      }),
      item: z.object({ offset: Size, sources: Sources }),
      failures: [
        'not_found',
        'unauthenticated',
        'permission_denied',
        'resource_exhausted',
        'data_loss',
        'unimplemented',
        'out_of_range',
        'failed_precondition',
      ],
      example: {
        name: '127.0.0.1:5000/library/redis:latest',
        descriptor,
        token: 'a-token-of-ingest-open',
        path: '/var/lib/gantry/content/ingest/0a/data',
        offset: 0,
      },
    },
  ),
  object: call(
    'A document or small blob of at most 512 KiB, whole and verified: from another node that has it, else from its registry. Nothing is stored.',
    {
      request: z.object({
        name: z.string().meta({ description: 'the reference it is fetched by, for the registry' }),
        descriptor: Descriptor,
      }),
      reply: z.object({ bytes: Bytes }),
      failures: ['not_found', 'unauthenticated', 'permission_denied', 'resource_exhausted', 'data_loss', 'unimplemented', 'out_of_range'],
      example: { name: '127.0.0.1:5000/library/redis:latest', descriptor },
    },
  ),
  have: call('What this node has of a blob.', {
    request: z.object({ digest: Digest }),
    reply: Holding,
    failures: ['not_found'],
    example: { digest },
  }),
  read: call('Bytes of a blob this node has, or is receiving: at most 512 KiB, all of pieces that were verified.', {
    request: z.object({
      digest: Digest,
      offset: Size,
      length: z
        .int()
        .min(1)
        .max(512 * 1024),
    }),
    reply: z.object({ bytes: Bytes }),
    failures: ['not_found', 'out_of_range', 'resource_exhausted', 'data_loss'],
    example: { digest, offset: 0, length: 2 },
  }),
  connect: call(
    'Offer a connection, for bytes of one blob to be asked for instead of over the bus. Good once, with the key, for ten seconds; unimplemented where there is none to be had.',
    {
      request: z.object({
        digest: Digest,
        loopback: z
          .string()
          .max(128)
          .optional()
          .meta({ description: 'names the loopback of who asks; who shares it may be offered an address on it' }),
      }),
      reply: z.object({ host: z.string().max(255), port: z.int().min(1).max(65_535), key: Bytes }),
      failures: ['not_found', 'unimplemented', 'resource_exhausted'],
      example: { digest },
    },
  ),
  brought: event('A blob came, and from where.', z.object({ digest: Digest, size: Size, ...Sources.shape }), { entity: 'digest' }),
  blamed: event(
    'A node sent, or vouched for, bytes that are not what they should be, and is avoided for a while.',
    z.object({ digest: Digest, sender: z.string(), piece: z.int().min(0).optional(), why: z.string() }),
    { entity: 'digest' },
  ),
} as const
