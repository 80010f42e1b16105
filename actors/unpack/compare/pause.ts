import { setImmediate } from 'node:timers/promises'
import type { Pause } from './change.ts'

/** Bytes after which others have their turn. */
const stretch = 4 * 2 ** 20

/** Work that may be given up, and that is not alone on its thread. */
export function pausing(signal: AbortSignal): Pause {
  let since = 0
  const pause = async (): Promise<void> => {
    await setImmediate()
    signal.throwIfAborted()
  }
  return (bytes) => {
    since += bytes
    if (since < stretch) return undefined
    since = 0
    return pause()
  }
}
