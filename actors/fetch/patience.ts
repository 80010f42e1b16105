import { given } from '../../runtime/given.ts'

/** ms no registry is waited for longer, whatever it asks for */
const longestMs = 60_000
/** ms by which one that is asked a lot at once may change its mind without it being news */
const sameMs = 1_000

/** Registries that asked for patience, and until when. */
export interface Patience {
  /** Wait until a registry wants to be asked again. It may be made longer meanwhile. */
  give(registry: string, options: { signal: AbortSignal }): Promise<void>
  /** It asked not to be asked before then. Answers until when it will not be, a minute from now at most; undefined when that is no news. */
  asked(registry: string, until: number): number | undefined
}

export function openPatience({ now }: { now: () => number }): Patience {
  const until = new Map<string, number>()

  const left = (registry: string): number => {
    const ms = (until.get(registry) ?? 0) - now()
    if (ms <= 0) until.delete(registry)
    return ms
  }

  return {
    async give(registry, { signal }) {
      for (let ms = left(registry); ms > 0; ms = left(registry)) await pause(ms, signal)
    },
    asked(registry, wanted) {
      const at = Math.min(wanted, now() + longestMs)
      const known = until.get(registry) ?? 0
      if (!(at > now()) || at <= known) return undefined
      until.set(registry, at)
      return at > known + sameMs ? at : undefined
    },
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, ms)
  try {
    await given(signal, over.promise)
  } finally {
    clearTimeout(timer)
  }
}
