import { setTimeout } from 'node:timers/promises'
import { isFailure } from '../../messages/grammar/index.ts'

/** Most bytes of one message. */
const most = 256 * 1024
/** ms to wait when the task does not read */
const pauseMs = 50

/**
 * Hand on what comes in, one message at a time, and that it has ended. Disposing it stops reading. A task that has ended takes no more:
 * that is the end of it, not a failure.
 */
export function pumpInput(input: NodeJS.ReadStream, write: (bytes: Uint8Array, end: boolean) => Promise<void>): Disposable {
  const stop = new AbortController()
  const pump = async () => {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += most) await patiently(() => write(chunk.subarray(at, at + most), false), stop.signal)
    }
    await patiently(() => write(new Uint8Array(), true), stop.signal)
  }
  pump().catch(() => {})
  return {
    [Symbol.dispose]() {
      stop.abort()
      input.destroy()
    },
  }
}

/** A task that reads slowly refuses for a while. */
async function patiently(write: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!isFailure(error, 'resource_exhausted', 'unavailable')) throw error
      await setTimeout(pauseMs, undefined, { signal })
    }
  }
}
