import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { flock, flockShared, unlock } from './syscalls/index.ts'

/**
 * Keeps apart, over all threads and processes of one directory, those who open its tables and those who write to them. lmdb (3.5.6) needs it: it reads the number of the latest transaction when it
 * is opened and writes it down a moment later for everybody, without the lock of writers; a transaction committed in between would be gone.
 */
export interface Opening extends AsyncDisposable {
  /** Run `work`, which opens the tables, while nobody writes; who asks to write meanwhile waits. */
  alone<R>(work: () => R): Promise<R>
  /** To be asked before every transaction: nothing when it may begin at once, else resolves when it may, in the order asked. */
  enter(): Promise<void> | undefined
  /** After every transaction. */
  leave(): void
}

/** ms between two tries: opening takes about one, and is rare. A lock waited for on the pool could take the thread from those who are to give it back. */
const againMs = 1

export async function openOpening(directory: string): Promise<Opening> {
  await using stack = new AsyncDisposableStack()
  // Who opens has both; who writes has the second, and passes through the first: so that those who write, one after the other, come to an end.
  const passage = stack.use(await open(join(directory, 'passage.lock'), 'a', 0o600))
  const writing = stack.use(await open(join(directory, 'writing.lock'), 'a', 0o600))
  let inside = 0
  let last: Promise<void> | undefined

  function tryEnter(): boolean {
    if (!flockShared(passage.fd)) return false
    const free = inside > 0 || flockShared(writing.fd)
    unlock(passage.fd)
    if (free) inside++
    return free
  }

  async function queue(before: Promise<void> | undefined): Promise<void> {
    await before
    while (!tryEnter()) await delay(againMs)
  }

  const scope = stack.move()
  return {
    async alone(work) {
      while (!flock(passage.fd)) await delay(againMs)
      try {
        while (!flock(writing.fd)) await delay(againMs)
        return work()
      } finally {
        unlock(writing.fd)
        unlock(passage.fd)
      }
    },
    enter() {
      if (!last && tryEnter()) return undefined
      const mine = queue(last).finally(() => {
        if (last === mine) last = undefined
      })
      last = mine
      return mine
    },
    leave() {
      if (--inside === 0) unlock(writing.fd)
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
