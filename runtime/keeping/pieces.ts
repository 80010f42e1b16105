import { setImmediate } from 'node:timers/promises'

/** Between two steps of long work: a promise when others are to have their turn now. */
export type Breathe = () => Promise<void> | undefined

/** Long work on a thread that others need too: after some milliseconds of it they get a turn. Fails with the signal's reason when told to give up. */
export function breather({ signal, ms = 4 }: { signal?: AbortSignal | undefined; ms?: number } = {}): Breathe {
  let since = performance.now()
  let steps = 0
  const rest = async () => {
    await setImmediate()
    signal?.throwIfAborted()
    since = performance.now()
  }
  // Looking at the clock is dear beside a step.
  return () => (++steps % 32 === 0 && performance.now() - since > ms ? rest() : undefined)
}
