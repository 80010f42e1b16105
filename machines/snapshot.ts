import { assign, setup } from 'xstate'
import type { Labels } from '../messages/words/index.ts'

/** What a snapshot stands on: its parent by name, and the ids of all its ancestors, nearest first. */
interface Ground {
  readonly parent?: string | undefined
  readonly ancestors: readonly string[]
}

export interface SnapshotInput extends Ground {
  readonly driver: string
  readonly key: string
  readonly kind: 'active' | 'view'
  readonly labels: Labels
  /** holds it, and what it becomes */
  readonly lease?: string | undefined
  readonly at: string
}

/** What a commit makes of it. */
export interface Commitment extends Ground {
  readonly name: string
  readonly labels: Labels
  /** directories to be completed from the ancestors */
  readonly implied: readonly string[]
  /** holds it, in place of the lease it was prepared under */
  readonly lease?: string | undefined
}

/** A committed snapshot that gets what an active one holds. */
export interface Replacement {
  readonly name: string
  /** its id */
  readonly of: string
  /** of its ancestors, nearest first */
  readonly ancestors: readonly string[]
  /** directories to be completed from them */
  readonly implied: readonly string[]
}

export interface SnapshotContext extends Omit<SnapshotInput, 'at' | 'kind'> {
  /** `key` is its key while active or a view, its name once committed */
  readonly kind: 'active' | 'view' | 'committed'
  readonly createdAt: string
  readonly updatedAt: string
  /** it has reached the disk */
  readonly durable: boolean
  /** the run of the kernel it was committed in */
  readonly boot?: string | undefined
  /** what it will be, from the commit being asked for to its success or failure */
  readonly commitment?: Commitment | undefined
  /** what it takes the place of, from that being asked for to its success or failure */
  readonly replacement?: Replacement | undefined
  /** id of the active snapshot whose contents it has got last, in place of its own */
  readonly replacedBy?: string | undefined
  /** of a committed one, once measured */
  readonly usage?: { readonly size: number; readonly inodes: number } | undefined
}

export type SnapshotEvent =
  | { type: 'made' }
  | { type: 'commit'; commitment: Commitment }
  | { type: 'frozen'; at: string; boot: string }
  | { type: 'replace'; replacement: Replacement }
  | { type: 'exchanged' }
  | { type: 'replaced'; by: string; at: string }
  | { type: 'label'; labels: Labels; at: string }
  | { type: 'measured'; usage: { size: number; inodes: number } }
  | { type: 'settled' }
  | { type: 'remove' }
  | { type: 'discarded' }
  | { type: 'failed' }

/**
 * A snapshot, as a record: from its directories being made to their being gone. Active, view and committed are its three kinds.
 *
 *     preparing ──made──► active ──commit──► committing ──frozen──► committed
 *      │     │              │ ▲                │                      │
 *      │     │              │ └─────failed─────┘                      │
 *      │     └──made──► view │                                         │
 *    failed              │   │                                         │
 *      └──────►  removing ◄──┴──────────────── remove ─────────────────┘
 *                 ▲  └──discarded──► removed
 *                 └──exchanged── replacing ◄──replace── active
 *
 * `replacing` gives its contents to a committed snapshot, which hears of it as `replaced`; `failed` leads back to active.
 * Labels change where it rests: active, view and committed; every change is told. A commit gives it labels of its own: it inherits none.
 * From `removing` on its key is free. One that could not be made is removed too, but nobody is told of its end, as nobody was told of its beginning.
 */
export const snapshotMachine = setup({
  types: { context: {} as SnapshotContext, input: {} as SnapshotInput, events: {} as SnapshotEvent },
  guards: {
    isView: ({ context }) => context.kind === 'view',
    isNews: ({ context, event }) => event.type === 'replaced' && event.by !== context.replacedBy,
  },
  actions: {
    /** have its directories */
    make: () => {},
    /** make it what the commitment says */
    freeze: () => {},
    /** give its contents to the one it takes the place of, and have them hear of it */
    exchange: () => {},
    /** put its directories out of the way */
    discard: () => {},
    tellPrepared: () => {},
    tellCommitted: (_, _params: { key: string }) => {},
    tellReplaced: () => {},
    tellUpdated: () => {},
    tellRemoved: () => {},
    commit: assign(({ event }) => (event.type === 'commit' ? { commitment: event.commitment } : {})),
    giveUpCommitment: assign({ commitment: undefined }),
    keepCommitment: assign(({ context, event }) => {
      if (event.type !== 'frozen' || !context.commitment) return {}
      const { name, parent, ancestors, labels, lease = context.lease } = context.commitment
      return {
        key: name,
        kind: 'committed' as const,
        parent,
        ancestors,
        labels,
        ...(lease !== undefined && { lease }),
        commitment: undefined,
        updatedAt: event.at,
        boot: event.boot,
      }
    }),
    replace: assign(({ event }) => (event.type === 'replace' ? { replacement: event.replacement } : {})),
    giveUpReplacement: assign({ replacement: undefined }),
    keepReplaced: assign(({ event }) => (event.type === 'replaced' ? { replacedBy: event.by, updatedAt: event.at, usage: undefined } : {})),
    keepLabels: assign(({ context, event }) => {
      if (event.type !== 'label') return {}
      const labels = Object.entries({ ...context.labels, ...event.labels }).filter(([, value]) => value !== '')
      return { labels: Object.fromEntries(labels), updatedAt: event.at }
    }),
    keepUsage: assign(({ event }) => (event.type === 'measured' ? { usage: event.usage } : {})),
    keepDurable: assign({ durable: true }),
  },
}).createMachine({
  id: 'snapshot',
  context: ({ input: { at, ...rest } }) => ({ ...rest, createdAt: at, updatedAt: at, durable: false }),
  initial: 'preparing',
  states: {
    preparing: {
      entry: 'make',
      on: {
        made: [
          { target: 'view', guard: 'isView', actions: 'tellPrepared' },
          { target: 'active', actions: 'tellPrepared' },
        ],
        failed: 'removing',
      },
    },
    active: {
      on: {
        commit: { target: 'committing', actions: 'commit' },
        replace: { target: 'replacing', actions: 'replace' },
        label: { actions: ['keepLabels', 'tellUpdated'] },
        remove: { target: 'removing', actions: 'tellRemoved' },
      },
    },
    view: {
      on: {
        label: { actions: ['keepLabels', 'tellUpdated'] },
        remove: { target: 'removing', actions: 'tellRemoved' },
      },
    },
    committing: {
      entry: 'freeze',
      on: {
        frozen: {
          target: 'committed',
          actions: [{ type: 'tellCommitted', params: ({ context }) => ({ key: context.key }) }, 'keepCommitment'],
        },
        failed: { target: 'active', actions: 'giveUpCommitment' },
      },
    },
    replacing: {
      entry: 'exchange',
      on: {
        exchanged: { target: 'removing', actions: ['giveUpReplacement', 'tellRemoved'] },
        failed: { target: 'active', actions: 'giveUpReplacement' },
      },
    },
    committed: {
      on: {
        replaced: { guard: 'isNews', actions: ['keepReplaced', 'tellReplaced'] },
        label: { actions: ['keepLabels', 'tellUpdated'] },
        measured: { actions: 'keepUsage' },
        settled: { actions: 'keepDurable' },
        remove: { target: 'removing', actions: 'tellRemoved' },
      },
    },
    removing: { entry: 'discard', on: { discarded: 'removed', failed: 'removed' } },
    removed: { type: 'final' },
  },
})
