import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Freshness, Known } from './tag.ts'
import { Descriptor, Digest, Lease, Nothing, Platform, Size, Time } from './words/index.ts'

const Ticket = z.string().min(1).meta({ description: 'of a pull, given by start' })

/** Where a pull stands. */
const State = z.enum(['resolving', 'fetching', 'recording', 'done', 'failed', 'cancelled'])

/** One descriptor on its way. `offset` of `total` bytes are here; `unpacked` of the compressed bytes are applied. */
export const Step = z.object({
  descriptor: Descriptor,
  status: z.enum(['resolved', 'waiting', 'downloading', 'verifying', 'unpacking', 'exists', 'done', 'failed']),
  offset: Size,
  unpacked: Size.optional(),
  written: Size.optional().meta({ description: 'bytes of files made of it' }),
  entries: z.int().min(0).optional().meta({ description: 'of the layer, made so far' }),
  notKept: z.array(z.string()).optional().meta({ description: 'what of the layer this user or file system cannot have' }),
})
export type Step = z.output<typeof Step>

/** Why a pull failed: a failure as data. */
const Why = z.object({ code: z.string(), message: z.string() })

/** How it is known what a reference stands for. */
const Answered = Known.omit({ descriptor: true, name: true }).extend({
  ageMs: z.int().min(0).meta({ description: 'when it was answered' }),
  stale: z.boolean().meta({ description: 'the registry could not be asked, and this is older than was wanted' }),
  why: z.string().optional().meta({ description: 'the registry could not be asked' }),
})
export type Answered = z.output<typeof Answered>

/** A pull, whole. */
export const PullStatus = z.object({
  ticket: Ticket,
  reference: z.string(),
  platform: Platform,
  driver: z.string().optional(),
  unpack: z.boolean(),
  here: z.literal(true).optional().meta({ description: 'begun by unpack: no registry is asked' }),
  state: State,
  digest: Digest.optional().meta({ description: 'of the target, once resolved' }),
  wanted: Freshness.optional().meta({ description: 'how old the answer to what the reference stands for may be' }),
  resolved: Answered.optional().meta({ description: 'how it is known what the reference stands for' }),
  steps: z.array(Step),
  why: Why.optional(),
  lease: Lease.optional().meta({ description: 'holds what was brought; of a pull that brought no image it stays for a day' }),
  startedAt: Time,
  finishedAt: Time.optional(),
})
export type PullStatus = z.output<typeof PullStatus>

const reference = '127.0.0.1:5000/library/redis:latest'

/** Bring an image from a registry, or from other nodes that have it, into content and snapshots. A pull goes on whether or not anybody watches. */
export const pull = {
  start: call(
    'Begin, and answer with a ticket at once. The same reference, platform, driver and freshness already on its way gives the same ticket. A node that drains begins none.',
    {
      request: z.object({
        reference: z.string(),
        platform: Platform.optional(),
        driver: z.string().optional().meta({ description: 'snapshot driver; the default of the node if left out' }),
        unpack: z.boolean().default(true).meta({ description: 'false: content only' }),
        ...Freshness.shape,
      }),
      reply: z.object({ ticket: Ticket }),
      failures: ['unimplemented', 'failed_precondition'],
      example: { reference },
    },
  ),
  unpack: call(
    'Unpack an image that is in content already, with nothing asked of any registry. Answers with a ticket at once; everything else is as for start.',
    {
      request: z.object({
        name: z.string().min(1).meta({ description: 'of the image' }),
        platform: Platform.optional(),
        driver: z.string().optional().meta({ description: 'snapshot driver; the default of the node if left out' }),
      }),
      reply: z.object({ ticket: Ticket }),
      failures: ['not_found', 'failed_precondition', 'unimplemented'],
      example: { name: reference },
    },
  ),
  follow: feed(
    'Watch a pull: where it stands now, then what changes, coalesced. The last item has the end state; a failed pull fails the feed.',
    {
      request: z.object({ ticket: Ticket }),
      item: z.object({
        state: State,
        digest: Digest.optional(),
        resolved: Answered.optional(),
        steps: z.array(Step).meta({ description: 'those that changed' }),
      }),
      failures: [
        'not_found',
        'unauthenticated',
        'permission_denied',
        'resource_exhausted',
        'data_loss',
        'failed_precondition',
        'already_exists',
        'out_of_range',
        'unimplemented',
      ],
      example: { ticket: 'a-ticket-of-pull-start' },
    },
  ),
  status: call('Where a pull stands, whole.', {
    request: z.object({ ticket: Ticket }),
    reply: PullStatus,
    failures: ['not_found'],
    example: { ticket: 'a-ticket-of-pull-start' },
  }),
  list: call('Pulls on their way and the latest that ended, newest first.', {
    request: Nothing,
    reply: z.object({ pulls: z.array(PullStatus.omit({ steps: true })) }),
    example: {},
  }),
  cancel: call('Stop a pull. What it fetched stays, to be gone on with.', {
    request: z.object({ ticket: Ticket }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition'],
    example: { ticket: 'a-ticket-of-pull-start' },
  }),
  started: event('A pull began.', z.object({ ticket: Ticket, reference: z.string() }), { entity: 'ticket' }),
  advanced: event('A pull came further.', z.object({ ticket: Ticket, state: State, steps: z.array(Step) }), {
    entity: 'ticket',
    durable: false,
  }),
  finished: event('A pull brought the whole image.', z.object({ ticket: Ticket, reference: z.string(), digest: Digest }), {
    entity: 'ticket',
  }),
  failed: event('A pull ended without the image.', z.object({ ticket: Ticket, reference: z.string(), why: Why }), { entity: 'ticket' }),
} as const
