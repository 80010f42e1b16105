import type { Tables } from './tables.ts'

/** Whether this node takes nothing new. Said by the node actor, minded by whoever begins something for others; stays so through restarts. */
export interface Draining {
  readonly on: boolean
  /** Inside a transaction. */
  set(on: boolean): void
}

export function drainingOf(tables: Tables): Draining {
  const table = tables.table<boolean>('node')
  return {
    get on() {
      return table.get('draining') ?? false
    },
    set: (on) => (on ? table.put('draining', true) : void table.remove('draining')),
  }
}
