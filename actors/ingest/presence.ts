import { Failure } from '../../messages/grammar/index.ts'
import type { Writer } from '../../messages/ingest.ts'
import { isAlive, type Living } from '../../runtime/alive.ts'
import { watchEnd } from '../../runtime/dying.ts'

/** The writer of an ingest, while it is watched. Disposing leaves off. */
export interface Presence extends Disposable {
  /** It gave a sign of life. */
  heard(): void
  /** Resolves when it is dead, or taken for dead. Never, once disposed. */
  readonly gone: Promise<void>
}

/**
 * Watch a writer: a process by the kernel, one elsewhere by its silence; this process, which none names, outlives its own watch. Fails with failed_precondition when
 * the process is dead already.
 */
export async function attend(writer: Writer | undefined, { silenceMs }: { silenceMs: number }): Promise<Presence> {
  if (writer === undefined) return { heard() {}, gone: never, [Symbol.dispose]() {} }
  return writer === 'elsewhere' ? attendSilence(silenceMs) : await attendProcess(writer)
}

function attendSilence(ms: number): Presence {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms).unref()
  // a timer that was cleared is set anew by refresh
  let left = false
  return {
    heard: () => void (left || timer.refresh()),
    gone,
    [Symbol.dispose]() {
      left = true
      clearTimeout(timer)
    },
  }
}

async function attendProcess(writer: Living): Promise<Presence> {
  const { pid } = writer
  const watched = watchEnd(pid)
  // Asked after the watch began: what is watched is this process, and not a later one of the same pid.
  const alive = await isAlive(writer)
  if (alive) return { heard() {}, gone: watched.ended, [Symbol.dispose]: () => watched[Symbol.dispose]() }
  watched[Symbol.dispose]()
  throw new Failure('failed_precondition', `open an ingest for process ${pid}: no such process lives on this machine`, {
    details: { reason: 'writer' },
  })
}

const never = new Promise<void>(() => {})
