import type { Log } from '../messages/grammar/index.ts'
import type { Bus } from './bus/bus.ts'
import type { Outbox } from './records/outbox.ts'
import type { Tables } from './tables.ts'

/** Where an actor lives: everything it is given. It opens nothing global itself and ends only what it made. */
export interface Home {
  /** name of this node */
  readonly node: string
  /** directory of this node's state, absolute; subdirectories as in design §7, each made by its owner */
  readonly root: string
  /** bus for calls, feeds and events */
  readonly bus: Bus
  /** every stored record of this node */
  readonly tables: Tables
  /** facts told if, and only if, the transaction they are put in commits; one of the thread's own */
  readonly outbox: Outbox
  readonly log: Log
  /** settings of actors, by name, from the configuration */
  readonly settings: Readonly<Record<string, string>>
}
