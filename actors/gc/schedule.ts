import type { Log } from '../../messages/grammar/index.ts'
import { openAlarm } from '../../runtime/alarm.ts'
import type { Collected } from './collect.ts'

/** When the collector runs by itself. */
export interface Schedule extends Disposable {
  /** A node began: run when it has done what it was started for, or a while of it. */
  first(): void
  /** Something was let go of: run soon. */
  soon(): void
  /** Something was made, maybe under no lease: run once that may be over. */
  later(): void
}

export interface ScheduleComponents {
  readonly run: () => Promise<Collected & { readonly tookMs?: number }>
  readonly now: () => string
  readonly log: Log
}

export interface ScheduleInit {
  /** ms that what lets go of things is gathered for */
  readonly delayMs: number
  /** ms that what was made under no lease is kept for */
  readonly graceMs: number
}

/** The share of the time that is spent at rest: a run is followed by so many times what it took. */
const restTimes = 20
/** A node that starts is asked for something at once, as a rule. */
const firstTimes = 10
/** ms until what could not be collected is tried again */
const again = 60_000

/** Nothing is due before something is said. After each run the next is due when the first thing it left will be needed no more. */
export function openSchedule({ run, now, log }: ScheduleComponents, { delayMs, graceMs }: ScheduleInit): Schedule {
  let rested = 0
  const alarm = openAlarm({ now, ring: () => void ring() })
  const by = (time: number) => alarm.by(new Date(Math.max(time, rested)).toISOString())

  async function ring(): Promise<void> {
    const began = Date.parse(now())
    try {
      const { next, failed } = await run()
      const ended = Date.parse(now())
      rested = ended + restTimes * (ended - began)
      if (next !== undefined) by(Date.parse(next))
      if (failed.length > 0) by(ended + again)
    } catch (error) {
      if (closed) return
      log.warn({ error }, 'collect: tried again later')
      by(Date.parse(now()) + again)
    }
  }

  let closed = false
  return {
    first: () => by(Date.parse(now()) + firstTimes * delayMs),
    soon: () => by(Date.parse(now()) + delayMs),
    later: () => by(Date.parse(now()) + graceMs + delayMs),
    [Symbol.dispose]() {
      closed = true
      alarm[Symbol.dispose]()
    },
  }
}
