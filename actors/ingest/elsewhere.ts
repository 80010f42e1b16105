import { type FSWatcher, watch } from 'node:fs'
import { utimes } from 'node:fs/promises'
import type { Log } from '../../messages/grammar/index.ts'

/**
 * Changes of ingests in other processes on the same root. Who changes one touches its directory; making and removing that says the same. Who watches is told by
 * the kernel, so nobody looks again and again, and two nodes that share no bus still see each other.
 */
export interface Elsewhere {
  /** Say to other processes that an ingest changed; nobody waits for that. */
  touch(directory: string): void
  /** Tell of changes for as long as it is not disposed. */
  attend(): Disposable
}

/** `ingests` is the directory of all of them, each named by its id. */
export function openElsewhere({ ingests, log, changed }: { ingests: string; log: Log; changed: (id: string) => void }): Elsewhere {
  let attending = 0
  let watcher: FSWatcher | undefined
  const stop = () => {
    watcher?.close()
    watcher = undefined
  }
  const start = () => {
    try {
      watcher = watch(ingests, { persistent: false }, (_, name) => name !== null && changed(name))
      watcher.on('error', (error) => log.warn({ error }, `watch ${ingests}`))
    } catch (error) {
      // The kernel lends only so many watches. Changes of this process are told all the same.
      log.warn({ error }, `watch ${ingests}`)
    }
  }
  return {
    touch(directory) {
      const now = new Date()
      // It may be gone by now, which says as much.
      utimes(directory, now, now).catch(() => {})
    },
    attend() {
      if (attending++ === 0) start()
      return {
        [Symbol.dispose]() {
          if (--attending === 0) stop()
        },
      }
    },
  }
}
