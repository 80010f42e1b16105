import { assign, setup } from 'xstate'
import type { Holder } from '../messages/ingest.ts'
import type { Digest, Labels } from '../messages/words/index.ts'

/** The right to write: who has it, and the token that proves it. */
export interface Grant {
  readonly token: string
  readonly holder: Holder
}

/** What a writer says of the blob when it opens. */
export interface Expectation {
  readonly expected?: Digest | undefined
  readonly total?: number | undefined
}

/** What a writer says of the blob when it commits, or what was found. */
export interface Claim {
  readonly digest?: Digest | undefined
  readonly size?: number | undefined
  readonly labels?: Labels | undefined
  /** in place of what is content already, whose bytes are damaged */
  readonly replace?: boolean | undefined
}

export interface IngestInput extends Expectation {
  readonly reference: string
  readonly epoch: string
  readonly lease?: string | undefined
  readonly grant: Grant
  readonly at: string
}

export interface IngestContext extends Expectation {
  readonly reference: string
  readonly startedAt: string
  readonly updatedAt: string
  /** another one whenever what was read of it counts for nothing any more: begun, started over, truncated */
  readonly epoch: string
  /** what it is held by, and the blob it becomes */
  readonly lease?: string | undefined
  /** absent while nobody holds it */
  readonly grant?: Grant | undefined
  /** what commit asked for */
  readonly claim?: Claim | undefined
  /** what is content now, through this ingest or another */
  readonly found?: { readonly digest: Digest; readonly size: number } | undefined
  /** why it was thrown away */
  readonly why?: string | undefined
}

export type IngestEvent =
  /** A writer goes on where another left off; with `restart` from nothing, because what is there is not of what it brings. */
  | ({ type: 'open'; grant: Grant; offset: number; restart: boolean; epoch: string; lease?: string | undefined; at: string } & Expectation)
  | { type: 'advance'; at: string }
  /** What follows some byte was thrown away. */
  | { type: 'truncate'; epoch: string; at: string }
  /** With what was found when it is verified already. */
  | { type: 'commit'; claim: Claim; found?: IngestContext['found']; at: string }
  | { type: 'close'; at: string }
  /** `token` is of who holds it, without whom it is thrown away only while nobody does. */
  | { type: 'abort'; why: string; token?: string | undefined; found?: IngestContext['found'] }
  /** The holder of `token` is dead; `grant` is of who found out. */
  | { type: 'break'; token: string; grant: Grant; at: string }
  | { type: 'verified'; digest: Digest; size: number; at: string }
  /** It is content already, through another ingest. */
  | { type: 'existed'; digest: Digest; size: number; at: string }
  | { type: 'failed' }

/**
 * An ingest, as a record: one transaction of one reference, from the first byte to content.
 *
 *     opened ──advance──► receiving ──commit──► verifying ──verified──► committed
 *      ▲  │                  │                  │      │
 *    open └──────close───────┴─────► closed ◄──failed  └──existed──► aborted
 *      └─────────────────────────────┘
 *
 * A commit of what is small comes verified, and leads to committed at once. It is held in opened, receiving and verifying; closed keeps the bytes and waits to be opened again. `abort` ends it, by its holder if it has one, from
 * everywhere but verifying. `truncate` leaves it where it is. `break` takes it from a dead holder: closed, or verified once more by who broke it.
 */
export const ingestMachine = setup({
  types: {
    context: {} as IngestContext,
    input: {} as IngestInput,
    events: {} as IngestEvent,
  },
  guards: {
    restarts: ({ event }) => event.type === 'open' && event.restart,
    isVerified: ({ event }) => event.type === 'commit' && event.found !== undefined,
    isHolder: ({ context, event }) =>
      (event.type === 'break' || event.type === 'abort') && event.token !== undefined && event.token === context.grant?.token,
  },
  actions: {
    /** take away the bytes that are there */
    empty: () => {},
    /** size, digest, then into its place among the blobs */
    verify: () => {},
    /** take away what is left of the file */
    discard: () => {},
    tellOpened: (_, _params: { offset: number }) => {},
    tellCommitted: () => {},
    tellAborted: () => {},
    grant: assign(({ event }) => (event.type === 'open' || event.type === 'break' ? { grant: event.grant, updatedAt: event.at } : {})),
    expect: assign(({ event }) => (event.type === 'open' ? { expected: event.expected, total: event.total, claim: undefined } : {})),
    lease: assign(({ event }) => (event.type === 'open' && event.lease !== undefined ? { lease: event.lease } : {})),
    startOver: assign(({ event }) => (event.type === 'open' ? { startedAt: event.at, epoch: event.epoch } : {})),
    cut: assign(({ event }) => (event.type === 'truncate' ? { epoch: event.epoch } : {})),
    claim: assign(({ event }) => (event.type === 'commit' ? { claim: event.claim, found: event.found } : {})),
    keepFound: assign(({ event }) =>
      event.type === 'verified' || event.type === 'existed' ? { found: { digest: event.digest, size: event.size } } : {},
    ),
    keepWhy: assign(({ event }) => {
      if (event.type === 'abort') return { why: event.why, found: event.found }
      return event.type === 'existed' ? { why: `${event.digest} is content already` } : {}
    }),
    touch: assign(({ event }) => ('at' in event ? { updatedAt: event.at } : {})),
    release: assign({ grant: undefined }),
  },
}).createMachine({
  id: 'ingest',
  context: ({ input: { at, ...rest } }) => ({ ...rest, startedAt: at, updatedAt: at }),
  initial: 'opened',
  states: {
    opened: {
      entry: [{ type: 'tellOpened', params: ({ event }) => ({ offset: event.type === 'open' && !event.restart ? event.offset : 0 }) }],
      on: {
        advance: { target: 'receiving', actions: 'touch' },
        truncate: { actions: ['cut', 'touch'] },
        commit: [
          { target: 'committed', guard: 'isVerified', actions: ['claim', 'touch'] },
          { target: 'verifying', actions: ['claim', 'touch'] },
        ],
        close: { target: 'closed', actions: 'touch' },
        abort: { target: 'aborted', guard: 'isHolder', actions: 'keepWhy' },
        break: { target: 'closed', guard: 'isHolder' },
        failed: 'closed',
      },
    },
    receiving: {
      on: {
        truncate: { actions: ['cut', 'touch'] },
        commit: [
          { target: 'committed', guard: 'isVerified', actions: ['claim', 'touch'] },
          { target: 'verifying', actions: ['claim', 'touch'] },
        ],
        close: { target: 'closed', actions: 'touch' },
        abort: { target: 'aborted', guard: 'isHolder', actions: 'keepWhy' },
        break: { target: 'closed', guard: 'isHolder' },
      },
    },
    closed: {
      entry: 'release',
      on: {
        open: [
          { target: 'opened', guard: 'restarts', actions: ['grant', 'expect', 'lease', 'startOver', 'empty'] },
          { target: 'opened', actions: ['grant', 'expect', 'lease'] },
        ],
        abort: { target: 'aborted', actions: 'keepWhy' },
      },
    },
    verifying: {
      entry: 'verify',
      on: {
        verified: { target: 'committed', actions: ['keepFound', 'touch'] },
        existed: { target: 'aborted', actions: ['keepFound', 'keepWhy'] },
        failed: 'closed',
        break: { target: 'verifying', reenter: true, guard: 'isHolder', actions: 'grant' },
      },
    },
    committed: { type: 'final', entry: 'tellCommitted' },
    aborted: { type: 'final', entry: ['tellAborted', 'discard'] },
  },
})
