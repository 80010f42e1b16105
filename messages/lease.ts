import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Filters, Labels, Lease, Nothing, Thing, Time } from './words/index.ts'

/** What is known of a lease. */
export const LeaseInfo = z.object({
  id: Lease,
  createdAt: Time,
  expiresAt: Time.optional().meta({ description: 'for ever if left out' }),
  labels: Labels,
})
export type LeaseInfo = z.output<typeof LeaseInfo>

const expiresAt = Time.meta({ description: 'a day from now if neither is given' })
const seconds = z.int().min(0).meta({ description: 'from now; 0 for ever' })

/**
 * Leases: what is held by one is not collected, whatever else refers to it or does not. A maker takes one first, names it in every request
 * that makes or needs something, and removes it once what it made is referred to. Adding is part of the transaction that makes the thing, so there is no moment
 * at which it could be collected. A lease that ends, removed or expired, lets go of everything it held.
 */
export const lease = {
  create: call('Make a lease.', {
    request: z.object({ id: Lease.optional(), expiresAt: expiresAt.optional(), seconds: seconds.optional(), labels: Labels.default({}) }),
    reply: LeaseInfo,
    failures: ['already_exists'],
    example: { id: 'mine', seconds: 3600 },
  }),
  renew: call('Set when a lease expires.', {
    request: z.object({ id: Lease, expiresAt: expiresAt.optional(), seconds: seconds.optional() }),
    reply: LeaseInfo,
    failures: ['not_found'],
    example: { id: 'mine', seconds: 3600 },
  }),
  add: call('Have a lease hold things that are there. All or none, unless some are enough.', {
    request: z.object({
      id: Lease,
      things: z.array(Thing).min(1).max(1000),
      some: z.literal(true).optional().meta({ description: 'those that are there are held, the others are named in the answer' }),
    }),
    reply: z.object({ absent: z.array(Thing) }),
    failures: ['not_found'],
    example: { id: 'mine', things: [{ kind: 'content', key: `sha256:${'0'.repeat(64)}` }] },
  }),
  drop: call('Have a lease no longer hold things; those it does not hold are passed over.', {
    request: z.object({ id: Lease, things: z.array(Thing).min(1).max(1000) }),
    reply: Nothing,
    failures: ['not_found'],
    example: { id: 'mine', things: [{ kind: 'content', key: `sha256:${'0'.repeat(64)}` }] },
  }),
  get: call('A lease and what it holds; from one thing on, at most a thousand at a time.', {
    request: z.object({ id: Lease, after: Thing.optional() }),
    reply: LeaseInfo.extend({ things: z.array(Thing), more: z.boolean() }),
    failures: ['not_found'],
    example: { id: 'mine' },
  }),
  list: call('Every lease, by id; from one on, at most a thousand at a time. A filter asks of id, expiresAt or labels.NAME.', {
    request: z.object({ after: Lease.optional(), filters: Filters.optional() }),
    reply: z.object({ leases: z.array(LeaseInfo), more: z.boolean() }),
    example: {},
  }),
  remove: call('End a lease. What it held and nothing else does is collected some time later.', {
    request: z.object({ id: Lease }),
    reply: Nothing,
    failures: ['not_found'],
    example: { id: 'mine' },
  }),
  created: event('A lease began.', LeaseInfo, { entity: 'id' }),
  renewed: event('A lease ends at another time.', LeaseInfo, { entity: 'id' }),
  removed: event('A lease ended.', z.object({ id: Lease, why: z.enum(['removed', 'expired']) }), { entity: 'id' }),
} as const
