import { assign, setup } from 'xstate'
import type { Labels } from '../messages/words/index.ts'

export interface LeaseContext {
  readonly createdAt: string
  /** for ever without */
  readonly expiresAt?: string | undefined
  readonly labels: Labels
}

export type LeaseEvent =
  | { type: 'renew'; expiresAt: string | undefined; at: string }
  /** Its time may have come. */
  | { type: 'expire'; at: string }
  | { type: 'remove' }

/**
 * A lease, as a record: it holds things until it ends.
 *
 *     active ──expire──► ended
 *      │  ▲ │              ▲
 *      renew└────remove────┘
 *
 * `expire` is taken only once its time has come, `renew` only before: of the two, whichever is asked for too late is refused.
 */
export const leaseMachine = setup({
  types: { context: {} as LeaseContext, input: {} as LeaseContext, events: {} as LeaseEvent },
  guards: {
    lasts: ({ context, event }) => event.type === 'renew' && !(context.expiresAt !== undefined && context.expiresAt <= event.at),
    isOver: ({ context, event }) => event.type === 'expire' && context.expiresAt !== undefined && context.expiresAt <= event.at,
  },
  actions: {
    tellCreated: () => {},
    tellRenewed: () => {},
    tellRemoved: (_, _params: { why: 'removed' | 'expired' }) => {},
    keepTime: assign(({ event }) => (event.type === 'renew' ? { expiresAt: event.expiresAt } : {})),
  },
}).createMachine({
  id: 'lease',
  context: ({ input }) => input,
  initial: 'active',
  states: {
    active: {
      entry: 'tellCreated',
      on: {
        renew: { guard: 'lasts', actions: ['keepTime', 'tellRenewed'] },
        expire: { target: 'ended', guard: 'isOver', actions: { type: 'tellRemoved', params: { why: 'expired' } } },
        remove: { target: 'ended', actions: { type: 'tellRemoved', params: { why: 'removed' } } },
      },
    },
    ended: { type: 'final' },
  },
})
