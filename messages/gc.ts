import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Nothing, Size, Thing, Time } from './words/index.ts'

/** Something that would go, or went. */
export const Unneeded = Thing.extend({
  size: Size.optional(),
  why: z.string().meta({ description: 'what it was kept by last, as far as known' }),
})
export type Unneeded = z.output<typeof Unneeded>

/** One step of the way from a root to a thing: what it is, and what makes it stay. */
const Step = Thing.extend({
  by: z.string().meta({ description: 'of the first: why it is a root; of the others: how the one before refers to it' }),
})

/** What keeps a thing. */
export const Why = z.object({
  thing: Thing,
  kept: z.boolean(),
  path: z.array(Step).meta({ description: 'root first; empty when nothing keeps it' }),
  leases: z.array(z.object({ id: z.string(), expiresAt: Time.optional() })).meta({ description: 'that hold it itself' }),
  expiresAt: Time.optional().meta({ description: 'until when it is kept at least for having been made under no lease' }),
})
export type Why = z.output<typeof Why>

/**
 * The collector. What no root reaches goes: snapshots leaves first, blobs, ingests nobody writes.
 *
 * Roots: what an unexpired lease holds; images and containers; what was made under no lease, for a day; an ingest somebody writes; what has the label `gantry.gc.root`,
 * until the time it gives if it gives one. They reach what they refer to: an image the parts of its tree, a container its snapshot and its manifest, a snapshot its parent, an
 * ingest the blob it is to become, and anything what its labels `gantry.gc.ref.<kind>[.x]` say, whose value is a key of that kind. The label
 * `gantry.gc.expire` on an image gives the time from which it is no root.
 *
 * Runs by itself some time after something was removed or has expired; at most one run is under way.
 */
export const gc = {
  run: call('Collect now. Who asks while one is under way is answered by the next.', {
    request: Nothing,
    reply: z.object({
      collected: z.int().min(0),
      freed: Size,
      spared: z.int().min(0).meta({ description: 'came to be held while it ran' }),
      failed: z
        .array(Thing.extend({ why: z.string() }))
        .max(100)
        .meta({ description: 'tried again by the next run' }),
    }),
    example: {},
  }),
  plan: feed('What would go now, or at another time if nothing changed until then.', {
    request: z.object({ at: Time.optional() }),
    item: Unneeded,
    example: {},
  }),
  why: call(
    'What keeps a thing: the shortest way from a root to it, or that nothing does. A digest that is both a blob and a snapshot is asked for by its kind.',
    {
      request: z.object({ kind: Thing.shape.kind.optional(), key: Thing.shape.key }),
      reply: Why,
      failures: ['not_found', 'failed_precondition'],
      example: { key: `sha256:${'0'.repeat(64)}` },
    },
  ),
  collected: event('A run took something away.', z.object({ run: z.string(), collected: z.int().min(0), freed: Size }), { entity: 'run' }),
} as const
