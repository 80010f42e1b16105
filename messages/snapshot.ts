import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Filters, Labels, Lease, Nothing, Size, Time, Unheld } from './words/index.ts'

const Key = z.string().min(1).max(256).meta({ description: 'of an active snapshot or a view' })
const Name = z.string().min(1).max(256).meta({ description: 'of a committed snapshot; for a layer its chainId' })
const Driver = z.string().min(1).meta({ description: 'overlay, native, …; the default of the node if left out' })

/** How to mount a snapshot: data, handed to mount(2); the snapshot actor itself mounts nothing. */
export const Mount = z.object({ type: z.string(), source: z.string(), options: z.array(z.string()) }).meta({ id: 'Mount' })
export type Mount = z.output<typeof Mount>

/**
 * Where a layer is applied to.
 * `directory`: entries go straight into `path`; `whiteouts` says whether a deletion becomes an overlay mark or is carried out.
 * `mount`: the mounts are to be mounted, and entries go into what they show; deletions are carried out.
 */
export const Target = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('directory'), path: z.string(), whiteouts: z.enum(['overlay', 'remove']) }),
    z.object({ kind: z.literal('mount'), mounts: z.array(Mount) }),
  ])
  .meta({ id: 'Target' })
export type Target = z.output<typeof Target>

/** What is known of a snapshot. `key` is its key while active or a view, its name once committed. */
export const SnapshotInfo = z.object({
  key: z.string(),
  kind: z.enum(['active', 'view', 'committed']),
  driver: z.string(),
  parent: Name.optional(),
  labels: Labels,
  createdAt: Time,
  updatedAt: Time,
  durable: z.boolean(),
})
export type SnapshotInfo = z.output<typeof SnapshotInfo>

const chainId = `sha256:${'0'.repeat(64)}`

/**
 * Snapshots: the file systems layers make. Four words: an *active* snapshot has a *key* and can be written; committing it takes the
 * key away and gives a *name*; a *committed* one never changes and can be the *parent* of others; *mounts* say how to see one.
 *
 * Life: prepare → (write) → commit → remove, or prepare → remove. A view is prepared read-only and is never committed.
 * Keys and names share one space a driver. A parent must be committed. One with children is not removed.
 *
 * A driver that can *rebase* takes the parent at commit, so layers can be prepared without one and filled in parallel.
 * Worked example, a two-layer image: prepare a; prepare b; apply to both at once; commit a as chain(0); commit b as chain(1) with
 * parent chain(0). A container then prepares its own key on chain(1).
 */
export const snapshot = {
  prepare: call('Create a writable snapshot, empty or on top of a committed parent.', {
    request: z.object({ key: Key, parent: Name.optional(), labels: Labels.optional(), driver: Driver.optional(), lease: Lease.optional() }),
    reply: z.object({ mounts: z.array(Mount), target: Target, driver: Driver }),
    failures: ['already_exists', 'not_found', 'failed_precondition', 'resource_exhausted', 'permission_denied', 'unimplemented'],
    example: { key: 'mine', parent: chainId },
  }),
  view: call('Create a read-only snapshot of a committed one.', {
    request: z.object({ key: Key, parent: Name, labels: Labels.optional(), driver: Driver.optional(), lease: Lease.optional() }),
    reply: z.object({ mounts: z.array(Mount), driver: Driver }),
    failures: ['already_exists', 'not_found', 'failed_precondition', 'resource_exhausted', 'permission_denied', 'unimplemented'],
    example: { key: 'look', parent: chainId },
  }),
  commit: call('Freeze an active snapshot under a name; its key is gone.', {
    request: z.object({
      key: Key,
      name: Name,
      parent: Name.optional().meta({ description: 'where the driver can rebase and it was prepared without one' }),
      implied: z.array(z.string()).optional().meta({
        description:
          'directories the layer used without having them itself; they take owner, mode, times and attributes from the parent. A parent that has something else there answers failed_precondition with details {reason: "implied"}, and the layer must be applied on top of its parent',
      }),
      labels: Labels.optional(),
      driver: Driver.optional(),
      lease: Lease.optional().meta({ description: 'the one it was prepared under if left out' }),
    }),
    reply: SnapshotInfo,
    failures: ['already_exists', 'not_found', 'failed_precondition', 'resource_exhausted', 'unimplemented'],
    example: { key: 'mine', name: chainId },
  }),
  mounts: call('How to mount an active snapshot or a view.', {
    request: z.object({ key: Key, driver: Driver.optional() }),
    reply: z.object({ mounts: z.array(Mount), driver: Driver }),
    failures: ['not_found', 'failed_precondition', 'unimplemented'],
    example: { key: 'mine' },
  }),
  stat: call('What is known of one.', {
    request: z.object({ key: Key, driver: Driver.optional() }),
    reply: SnapshotInfo,
    failures: ['not_found', 'unimplemented'],
    example: { key: chainId },
  }),
  list: call(
    'Every snapshot of a driver, by key or name; from one on, at most a thousand at a time. A filter asks of key, kind, parent, durable or labels.NAME.',
    {
      request: z.object({ after: z.string().optional(), driver: Driver.optional(), filters: Filters.optional() }),
      reply: z.object({ snapshots: z.array(SnapshotInfo), more: z.boolean() }),
      failures: ['unimplemented'],
      example: {},
    },
  ),
  label: call('Set labels, or take one away by setting it to the empty string.', {
    request: z.object({ key: Key, labels: Labels, driver: Driver.optional() }),
    reply: SnapshotInfo,
    failures: ['not_found', 'unimplemented'],
    example: { key: chainId, labels: { 'example.org/owner': 'me' } },
  }),
  usage: call('What it takes up itself, parents excluded: what would be free without it.', {
    request: z.object({ key: Key, driver: Driver.optional() }),
    reply: z.object({ size: Size, inodes: z.int().min(0) }),
    failures: ['not_found', 'unimplemented'],
    example: { key: chainId },
  }),
  replace: call(
    'Give a committed snapshot what an active one without a parent holds, because its own is damaged; the active one ends. Children stay; mounts of before go on showing what they did.',
    {
      request: z.object({
        key: Key,
        name: Name,
        implied: z.array(z.string()).optional().meta({ description: 'as for commit; the parent is the one the name has' }),
        driver: Driver.optional(),
      }),
      reply: SnapshotInfo,
      failures: ['not_found', 'failed_precondition', 'resource_exhausted', 'unimplemented'],
      example: { key: 'mine', name: chainId },
    },
  ),
  layer: call(
    'Where the own files of a snapshot that is no view lie, without its parents, to be read only. Drivers that keep no layers apart answer unimplemented.',
    {
      request: z.object({ key: Key, driver: Driver.optional() }),
      reply: z.object({ target: Target }),
      failures: ['not_found', 'failed_precondition', 'unimplemented'],
      example: { key: chainId },
    },
  ),
  remove: call('Remove one that has no children.', {
    request: z.object({ key: Key, driver: Driver.optional(), unheld: Unheld }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition', 'unimplemented'],
    example: { key: 'mine' },
  }),
  drivers: call('The drivers of this node, the default first, and for each why it can or cannot be used.', {
    request: Nothing,
    reply: z.object({
      drivers: z.array(
        z.object({
          name: Driver,
          usable: z.boolean(),
          why: z.string(),
          code: z.string().optional().meta({ description: 'of the failure that using it would end with' }),
          rebase: z.boolean(),
        }),
      ),
    }),
    example: {},
  }),
  prepared: event(
    'A snapshot can be written, or looked at.',
    z.object({ key: Key, driver: Driver, parent: Name.optional(), kind: SnapshotInfo.shape.kind }),
    {
      entity: 'key',
    },
  ),
  updated: event('Its labels changed.', z.object({ key: z.string(), driver: Driver }), { entity: 'key' }),
  replaced: event('What a committed snapshot holds was made anew.', z.object({ name: Name, driver: Driver }), { entity: 'name' }),
  committed: event('A snapshot became immutable.', z.object({ key: Key, name: Name, driver: Driver, parent: Name.optional() }), {
    entity: 'name',
  }),
  removed: event('A snapshot is gone.', z.object({ key: z.string(), driver: Driver }), { entity: 'key' }),
} as const
