import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Descriptor, Digest, Nothing, Time } from './words/index.ts'

const reference = '127.0.0.1:5000/library/redis:latest'

/** How old an answer may be, and what counts when the registry does not answer. */
export const Freshness = z
  .object({
    maxAgeMs: z.int().min(0).optional().meta({
      description:
        'an answer the cluster has, no older than this, will do (setting tag.max-age; 0: the registry is asked, once for all who ask at that moment)',
    }),
    staleIfErrorMs: z.int().min(0).optional().meta({
      description: 'when the registry cannot be asked, an answer no older than this will do (setting tag.stale-if-error; 0)',
    }),
    requireUpstream: z
      .boolean()
      .optional()
      .meta({ description: 'only what the registry says now will do, also for a name that is shared' }),
  })
  .meta({ id: 'Freshness' })
export type Freshness = z.output<typeof Freshness>

/** What a name stands for, and how the cluster knows. */
export const Known = z.object({
  name: z.string(),
  descriptor: Descriptor,
  checkedAt: Time.meta({ description: 'when the registry said so, or the name was shared' }),
  by: z.string().meta({ description: 'the node that asked, or shared it' }),
  source: z.enum(['registry', 'shared', 'digest']).meta({ description: 'digest: the name itself says it' }),
})
export type Known = z.output<typeof Known>

/** Names: what a tag stands for, asked of its registry once for the whole cluster. */
export const tag = {
  resolve: call('What a reference stands for. However many nodes ask at once, the registry is asked once.', {
    request: z.object({ reference: z.string(), ...Freshness.shape }),
    reply: Known.extend({
      ageMs: z.int().min(0),
      stale: z.boolean().meta({ description: 'the registry could not be asked, and this is older than was wanted' }),
      why: z.string().optional().meta({ description: 'the registry could not be asked' }),
    }),
    failures: ['not_found', 'unauthenticated', 'permission_denied', 'resource_exhausted', 'data_loss', 'unimplemented', 'out_of_range'],
    example: { reference },
  }),
  share: call('Have a name of an image that is here answered by the cluster, with no registry, for as long as it is shared.', {
    request: z.object({ name: z.string() }),
    reply: Known,
    failures: ['not_found', 'failed_precondition', 'unimplemented'],
    example: { name: 'mine:latest' },
  }),
  unshare: call('Leave a name to its registry again.', {
    request: z.object({ name: z.string() }),
    reply: Nothing,
    failures: ['not_found', 'unimplemented'],
    example: { name: 'mine:latest' },
  }),
  list: call('Every name the cluster knows.', {
    request: Nothing,
    reply: z.object({ names: z.array(Known) }),
    failures: ['unimplemented'],
    example: {},
  }),
  moved: event('A name stands for something else now.', z.object({ name: z.string(), digest: Digest, previous: Digest }), {
    entity: 'name',
    shared: true,
  }),
  shared: event('A name is answered by the cluster.', z.object({ name: z.string(), digest: Digest }), { entity: 'name', shared: true }),
  unshared: event('A name is left to its registry.', z.object({ name: z.string() }), { entity: 'name', shared: true }),
} as const
