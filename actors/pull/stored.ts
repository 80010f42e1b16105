import type { PullStatus } from '../../messages/pull.ts'
import type { Table, Tables } from '../../runtime/tables.ts'

/** A pull as it is stored: all but how it went with each descriptor, which is many times as much and lies apart, to be read for one pull only. */
export type StoredPull = Omit<PullStatus, 'steps'>

/** Pulls that are on their way and those that ended, by ticket. */
export interface StoredPulls {
  /** whole */
  get(ticket: string): PullStatus | undefined
  all(): StoredPull[]
  /** Inside a transaction. Of one on its way there are no steps yet. */
  put(pull: StoredPull, steps?: PullStatus['steps']): void
  /** Inside a transaction. */
  remove(ticket: string): void
}

export function storedPulls(tables: Tables): StoredPulls {
  const pulls: Table<StoredPull> = tables.table('pulls')
  const steps: Table<PullStatus['steps']> = tables.table('pulls.steps')
  return {
    get(ticket) {
      const pull = pulls.get(ticket)
      return pull && { ...pull, steps: steps.get(ticket) ?? [] }
    },
    all: () => Array.from(pulls.range(), ({ value }) => value),
    put(pull, taken) {
      pulls.put(pull.ticket, pull)
      if (taken) steps.put(pull.ticket, taken)
    },
    remove(ticket) {
      pulls.remove(ticket)
      steps.remove(ticket)
    },
  }
}
