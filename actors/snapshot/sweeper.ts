import { Failure, type Log } from '../../messages/grammar/index.ts'
import type { Driver } from './driver.ts'

/** Deletes what was removed, behind everybody's back. Disposing gives up; the next run goes on. */
export interface Sweeper extends AsyncDisposable {
  /** Have it swept some time. */
  readonly sweep: (driver: Driver) => void
  /** Resolves once all asked for so far is swept, or failed. */
  swept(): Promise<void>
}

/** One sweep at a time; what is asked for meanwhile, once more after it. */
export function openSweeper({ log }: { log: Log }): Sweeper {
  const stop = new AbortController()
  const dirty = new Set<Driver>()
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    for (let [driver] = dirty; driver && !stop.signal.aborted; [driver] = dirty) {
      dirty.delete(driver)
      try {
        await driver.sweep({ signal: stop.signal })
      } catch (error) {
        if (!stop.signal.aborted) log.warn({ error: Failure.from(error), driver: driver.name }, 'delete removed snapshots')
      }
    }
    running = undefined
  }

  return {
    sweep(driver) {
      dirty.add(driver)
      running ??= run()
    },
    swept: async () => await running,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}
