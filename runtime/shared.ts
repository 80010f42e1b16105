import { given } from './given.ts'

/** Work that several may want at once: done once for each key, for all who want it meanwhile. */
export interface Shared<K, V, P = never> {
  /**
   * The result of the work running for `key`, begun with `work` when there is none. Progress is told to all who joined; a late one hears the latest at once.
   * A failure reaches all. Afterwards the key is free, and the next to ask begins anew.
   *
   * Giving up leaves the work to the others. It is aborted only when everybody gave up; the last one to do so waits until it has ended, and who asks in
   * between waits too: there are never two works for one key.
   */
  run(key: K, work: Work<V, P>, options?: Sharing<P>): Promise<V>
}

/** The work, its signal aborted when nobody wants it any more. */
export type Work<V, P> = (signal: AbortSignal, report: (progress: P) => void) => Promise<V>

export interface Sharing<P> {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: P) => void) | undefined
}

/** Nothing running yet. */
export function shared<K, V, P = never>(): Shared<K, V, P> {
  const running = new Map<K, Running<V, P>>()
  return {
    async run(key, work, options = {}) {
      options.signal?.throwIfAborted()
      let current = running.get(key)
      while (current?.control.signal.aborted) {
        await given(options.signal, current.over)
        current = running.get(key)
      }
      return await join(current ?? begin(running, key, work), options)
    },
  }
}

/** Work on its way, and who waits for it. */
interface Running<V, P> {
  readonly control: AbortController
  readonly callers: Set<Sharing<P>>
  latest: { readonly progress: P } | undefined
  readonly result: Promise<V>
  /** resolves when it has ended, however */
  readonly over: Promise<unknown>
}

function begin<K, V, P>(running: Map<K, Running<V, P>>, key: K, work: Work<V, P>): Running<V, P> {
  const control = new AbortController()
  const callers = new Set<Sharing<P>>()
  const ended = Promise.withResolvers<V>()
  const current: Running<V, P> = { control, callers, latest: undefined, result: ended.promise, over: ended.promise.catch(() => {}) }
  running.set(key, current)
  const report = (progress: P) => {
    current.latest = { progress }
    for (const caller of callers) caller.onProgress?.(progress)
  }
  const free = async () => {
    try {
      return await work(control.signal, report)
    } finally {
      running.delete(key)
    }
  }
  free().then(ended.resolve, ended.reject)
  return current
}

async function join<V, P>(current: Running<V, P>, options: Sharing<P>): Promise<V> {
  const { callers, control } = current
  const caller = { ...options }
  callers.add(caller)
  try {
    if (current.latest) caller.onProgress?.(current.latest.progress)
    return await given(options.signal, current.result)
  } finally {
    callers.delete(caller)
    // The last to leave while it runs gives it up; when it has ended already, aborting is too late to matter.
    if (options.signal?.aborted && callers.size === 0) {
      control.abort(options.signal.reason)
      await current.over
    }
  }
}
