import { z } from 'zod'
import { event, feed } from './grammar/index.ts'
import { Target } from './snapshot.ts'
import { Descriptor, Digest, Size } from './words/index.ts'

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
})
export type Applied = z.output<typeof Applied>

/** What comparing a directory with its layer came to. */
export const Checked = z.object({
  entries: z.int().min(0).meta({ description: 'looked at' }),
  differing: z.int().min(0).meta({ description: 'paths that differ' }),
  damaged: z.array(z.object({ path: z.string(), why: z.string() })).meta({ description: 'the first hundred of them' }),
})
export type Checked = z.output<typeof Checked>

/** Layers into directories. */
export const unpack = {
  apply: feed(
    'Apply a layer to a target, reading its blob while it still arrives. The last item is what it came to. On failure, or when given up, the target is half written and must be thrown away.',
    {
      request: z.object({
        descriptor: Descriptor,
        target: Target,
        expected: Digest.optional().meta({ description: 'the diffId; a mismatch is data_loss' }),
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
  progressed: event('More of a layer is applied.', z.object({ digest: Digest, ...Progress.shape }), { entity: 'digest', durable: false }),
  applied: event('A layer is applied.', z.object({ digest: Digest, diffId: Digest, size: Size, entries: z.int().min(0) }), {
    entity: 'digest',
  }),
} as const
