import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Target } from './snapshot.ts'
import { Descriptor, Digest, Labels, Lease, Nothing, Size, Time } from './words/index.ts'

const digest = `sha256:${'0'.repeat(64)}`

/** How far a layer is applied: compressed bytes read, bytes and entries written. */
const Progress = z.object({ offset: Size, written: Size, entries: z.int().min(0) })

/** What applying a layer came to. */
export const Applied = Progress.extend({
  diffId: Digest.meta({ description: 'of the uncompressed stream, trailing bytes included' }),
  size: Size.meta({ description: 'of the uncompressed stream' }),
  implied: z.array(z.string()).meta({
    description: 'directories made because an entry needed them, never described by the layer, `.` for the root; see snapshot.commit',
  }),
  notKept: z.array(z.string()).meta({ description: 'what of the layer this user or file system cannot have; the first twenty' }),
})
export type Applied = z.output<typeof Applied>

/** What comparing a directory with its layer came to. */
export const Checked = z.object({
  entries: z.int().min(0).meta({ description: 'looked at' }),
  differing: z.int().min(0).meta({ description: 'paths that differ' }),
  damaged: z.array(z.object({ path: z.string(), why: z.string() })).meta({ description: 'the first hundred of them' }),
})
export type Checked = z.output<typeof Checked>

/** How a layer is packed. */
export const Compression = z.enum(['gzip', 'zstd', 'none']).meta({ id: 'Compression' })
export type Compression = z.output<typeof Compression>

/** What making a layer came to. */
export const Compared = z.object({
  descriptor: Descriptor.meta({ description: 'of the layer, which is in content' }),
  diffId: Digest,
  size: Size.meta({ description: 'of the uncompressed stream' }),
  entries: z.int().min(0),
})
export type Compared = z.output<typeof Compared>

/** A layer being applied or made at the moment. */
export const Underway = Progress.extend({
  kind: z.enum(['apply', 'compare']),
  label: z.string().meta({ description: 'as the request had it; else the digest, or the key of the upper snapshot' }),
  size: Size.optional().meta({ description: 'of the blob that is applied' }),
  startedAt: Time,
})
export type Underway = z.output<typeof Underway>

/** Layers into directories, and directories into layers. */
export const unpack = {
  apply: feed(
    'Apply a layer to a target, reading its blob while it still arrives. The last item is what it came to. On failure, or when given up, the target is half written and must be thrown away.',
    {
      request: z.object({
        descriptor: Descriptor,
        target: Target,
        expected: Digest.optional().meta({ description: 'the diffId; a mismatch is data_loss' }),
        base: z.boolean().optional().meta({ description: 'it is the first layer: with nothing below, `implied` need not be whole' }),
        label: z.string().optional().meta({ description: 'what the progress is told under; the digest if left out' }),
      }),
      item: z.union([Applied, Progress]),
      failures: ['not_found', 'data_loss', 'resource_exhausted', 'permission_denied', 'failed_precondition', 'unimplemented'],
      example: {
        descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 2 },
        target: { kind: 'directory', path: '/tmp/layer', whiteouts: 'remove' },
      },
    },
  ),
  check: feed(
    'Compare a directory with the layer that was applied to it, entry by entry: kind, mode, owner, time, attributes, content. The last item says what differs, at most a hundred paths.',
    {
      request: z.object({
        descriptor: Descriptor,
        target: Target,
        implied: z.array(z.string()).optional().meta({ description: 'directories the layer does not describe: there, but of any mode' }),
      }),
      item: z.union([Checked, Progress]),
      failures: ['not_found', 'data_loss', 'unimplemented'],
      example: {
        descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 2 },
        target: { kind: 'directory', path: '/tmp/layer', whiteouts: 'remove' },
      },
    },
  ),
  compare: feed(
    'Make a layer out of what one snapshot has changed over another, put it into content, and label it with its diffId. The same two snapshots give the same bytes. The last item is what it came to. A snapshot that changes meanwhile gives a layer of no certain moment.',
    {
      request: z.object({
        upper: z.string().min(1).max(256).meta({ description: 'key or name of the snapshot that was changed' }),
        lower: z.string().min(1).max(256).optional().meta({
          description:
            'name of the committed one it is compared with; the parent of `upper` if left out, and nothing at all if that has none',
        }),
        driver: z.string().min(1).optional(),
        compression: Compression.default('gzip'),
        epoch: Time.optional().meta({
          description: 'of reproducible builds: whatever is younger is told as this old, and deletions are dated so',
        }),
        labels: Labels.optional().meta({ description: 'for the blob' }),
        lease: Lease.optional(),
      }),
      item: z.union([Compared, Progress]),
      failures: [
        'not_found',
        'already_exists',
        'data_loss',
        'resource_exhausted',
        'permission_denied',
        'failed_precondition',
        'unimplemented',
      ],
      example: { upper: 'mine' },
    },
  ),
  list: call('What is being applied or made at the moment.', {
    request: Nothing,
    reply: z.object({ underway: z.array(Underway) }),
    example: {},
  }),
  compared: event('A layer was made of two snapshots.', z.object({ upper: z.string(), digest: Digest, diffId: Digest, size: Size }), {
    entity: 'digest',
  }),
  progressed: event('More of a layer is applied.', z.object({ digest: Digest, ...Progress.shape }), { entity: 'digest', durable: false }),
  applied: event('A layer is applied.', z.object({ digest: Digest, diffId: Digest, size: Size, entries: z.int().min(0) }), {
    entity: 'digest',
  }),
} as const
