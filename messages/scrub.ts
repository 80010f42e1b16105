import { z } from 'zod'
import { event, feed } from './grammar/index.ts'
import { Size, Thing } from './words/index.ts'

/** What became of one thing looked at. */
export const Finding = Thing.extend({
  state: z.enum(['sound', 'damaged', 'repaired', 'unknown']).meta({ description: 'unknown: there is nothing to compare it with' }),
  size: Size.optional(),
  why: z.string().optional(),
})
export type Finding = z.output<typeof Finding>

/**
 * Looking at everything again: blobs are hashed, snapshots compared with the layers they were made of. What is damaged is named, and made again from
 * where it came from if that is asked for: a blob from other nodes, or a registry its `gantry.source.<host>` label names; a snapshot from its layer.
 */
export const scrub = {
  run: feed('Look at things, one finding each. All of the kinds asked for, or those named.', {
    request: z.object({
      kinds: z.array(z.enum(['content', 'snapshot'])).default(['content', 'snapshot']),
      keys: z.array(Thing.shape.key).max(1000).optional(),
      repair: z.boolean().default(false),
    }),
    item: Finding,
    failures: ['not_found', 'unimplemented'],
    example: { kinds: ['content'] },
  }),
  damaged: event('Something is not what it was said to be.', z.object({ ...Thing.shape, why: z.string() }), { entity: 'key' }),
  repaired: event('It was made again.', z.object(Thing.shape), { entity: 'key' }),
} as const
