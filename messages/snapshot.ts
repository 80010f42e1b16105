import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Filters, Labels, Lease, Nothing, Size, Time, Unheld } from './words/index.ts'

const Key = z.string().min(1).max(256).meta({ description: 'of an active snapshot or a view' })
const Name = z.string().min(1).max(256).meta({ description: 'of a committed snapshot; for a layer its chainId' })
const Driver = z.string().min(1).meta({ description: 'overlay, native, …; the default of the node if left out' })

/**
 * How to mount a snapshot: data, handed to mount(2); the snapshot actor itself mounts nothing. Of several each goes over the one before. Options are those of mount(8),
 * paths in them absolute. With a hundred layers they are more than the page mount(2) takes, which it cuts without a word: `ctr snapshots mounts` prints commands
 * that fit.
 */
export const Mount = z.object({ type: z.string(), source: z.string(), options: z.array(z.string()) }).meta({ id: 'Mount' })
export type Mount = z.output<typeof Mount>

/**
 * Where a layer is applied to.
 * `directory`: entries go straight into `path`; `whiteouts` says whether a deletion is carried out or becomes a mark overlayfs reads: a character device 0:0, and for a
 * directory that hides what is below it `trusted.overlay.opaque`, in a user namespace `user.overlay.opaque`.
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
 * Snapshots: the file systems layers make.
 *
 * **Terms.** An *active* snapshot has a *key* and can be written. Committing it takes the key away and gives a *name*: a *committed* one never changes, and can be the
 * *parent* of others, which show what it does until they are written. A *view* has a key too, shows its parent, and is never written nor committed. *Mounts* say how to see an
 * active one or a view. Keys and names are any text, and share one space a *driver*, which is the way snapshots are made on disk; a parent is of the same driver.
 *
 * **Life.**
 *
 *     prepare ─► active ──commit──► committed ──► remove
 *                  └──► remove          └── view ─► remove
 *
 * A parent must be committed. One with children is not removed. The moment something is removed its key or name is free, for anything; its files go a little later,
 * so it is unmounted before. Labels are told apart from what a snapshot holds: they can be changed in every kind, one by one, and a commit gives labels of its own and inherits none.
 * Every change is atomic: after a failure, or the death of the node at any moment, a snapshot is what it was or what it was to be.
 *
 * **Worked example**, an image of two layers and a container:
 *
 *     prepare {key: a}                                   → target, where the first layer is applied to
 *     commit  {key: a, name: chain(0)}
 *     prepare {key: b, parent: chain(0)}                 → target, where the second is
 *     commit  {key: b, name: chain(1)}
 *     prepare {key: container, parent: chain(1)}         → mounts, which a container is started on
 *     remove  {key: container}
 *
 * A driver that can *rebase* (see drivers) takes the parent at commit, so that both layers are written at once: prepare {key: a}, prepare {key: b}, commit {key: a, name: chain(0)},
 * commit {key: b, name: chain(1), parent: chain(0), implied}.
 *
 * Who makes something of this names a *lease*, or labels what refers to it: what nothing holds is collected some time later.
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
  commit: call('Freeze an active snapshot under a name; its key is gone. It has the labels given here, and none of those it had.', {
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
  remove: call('Remove one that has no children. Its key or name is free at once.', {
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
