import type { Freshness } from '../../messages/tag.ts'

/** How old an answer may be, with nothing left open. ms. */
export interface Wanted {
  readonly maxAgeMs: number
  readonly staleIfErrorMs: number
  readonly requireUpstream: boolean
}

/** As asked for; what was left out is as the node is set. */
export function freshnessOf(asked: Freshness, settings: Readonly<Record<string, string>>): Wanted {
  const { maxAgeMs = set(settings, 'tag.max-age'), staleIfErrorMs = set(settings, 'tag.stale-if-error'), requireUpstream = false } = asked
  return requireUpstream ? { maxAgeMs: 0, staleIfErrorMs: 0, requireUpstream } : { maxAgeMs, staleIfErrorMs, requireUpstream }
}

const set = (settings: Readonly<Record<string, string>>, name: string): number => {
  const ms = Number(settings[name])
  return Number.isFinite(ms) && ms > 0 ? ms : 0
}
