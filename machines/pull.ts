import { assign, setup } from 'xstate'
import type { Part } from '../messages/image.ts'
import type { Freshness } from '../messages/tag.ts'
import type { Descriptor, Platform } from '../messages/words/index.ts'
import { step } from './step.ts'

/** What is asked for. */
export interface PullInput {
  readonly reference: string
  readonly platform: Platform
  readonly driver?: string | undefined
  readonly unpack: boolean
  /** how old the answer to what the reference stands for may be */
  readonly wanted?: Freshness | undefined
  /** the reference is the name of an image that is here; no registry is asked */
  readonly here?: true | undefined
}

/** What the reference names. */
export interface Resolved {
  readonly name: string
  readonly descriptor: Descriptor
}

/** What was brought: the image, all of it, and every part of its tree. */
export interface Brought {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly platform: Platform
  readonly parts: readonly Part[]
}

export interface PullContext {
  readonly input: PullInput
  readonly resolved?: Resolved
  readonly brought?: Brought
  readonly why?: unknown
}

/**
 * A pull, as an errand: one image from a registry into content, snapshots and a name; or one that is here into snapshots.
 *
 *     resolving ──► fetching ──► recording ──► done
 *         │             │            │
 *         └─────────────┴────────────┴──► failed | cancelled
 *
 * In `fetching` the layers are fetched and unpacked at once. Every step can be run again from its start: what is there already is found there.
 */
export const pullMachine = setup({
  types: {
    context: {} as PullContext,
    input: {} as PullInput,
    output: {} as PullContext,
    events: {} as { type: 'cancel' },
  },
  actors: {
    resolve: step<Resolved, PullInput>(),
    bring: step<Brought, { input: PullInput; resolved: Resolved }>(),
    record: step<void, { input: PullInput; resolved: Resolved; brought: Brought }>(),
  },
  actions: {
    keepWhy: assign({ why: (_, params: { error: unknown }) => params.error }),
  },
}).createMachine({
  id: 'pull',
  context: ({ input }) => ({ input }),
  output: ({ context }) => context,
  initial: 'resolving',
  on: { cancel: '.cancelled' },
  states: {
    resolving: {
      invoke: {
        src: 'resolve',
        input: ({ context }) => context.input,
        onDone: { target: 'fetching', actions: assign({ resolved: ({ event }) => event.output }) },
        onError: { target: 'failed', actions: { type: 'keepWhy', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    fetching: {
      invoke: {
        src: 'bring',
        input: ({ context }) => ({ input: context.input, resolved: known(context.resolved) }),
        onDone: { target: 'recording', actions: assign({ brought: ({ event }) => event.output }) },
        onError: { target: 'failed', actions: { type: 'keepWhy', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    recording: {
      invoke: {
        src: 'record',
        input: ({ context }) => ({ input: context.input, resolved: known(context.resolved), brought: known(context.brought) }),
        onDone: 'done',
        onError: { target: 'failed', actions: { type: 'keepWhy', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    done: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
  },
})

/** The state before has put it there; the machine cannot be here without it. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a pull went on without what the step before brings')
  return value
}
