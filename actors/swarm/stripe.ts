import type { Agreement, Claim, Range } from './claims.ts'

/** What decides which pieces are read from the registry next. */
export interface StripeInit {
  /** of the blob */
  readonly count: number
  /** Whether a piece is here, is being got, or can be had from others. */
  readonly had: (piece: number) => boolean
  /** Whether nobody else wants the blob. */
  readonly alone: boolean
  /** pieces this node read in one go last time */
  readonly last: number
}

/**
 * Pieces read in one go when others want the blob too, and by who has not heard of any yet: few, so that there is something left for each, and what is read again should its reader die is
 * little.
 */
const shared = 4
/** The longest go of who is alone: few requests, and an end soon enough for others to find something left. */
const most = 128

/**
 * The first pieces nobody has or reads, as many as one goes for at once; undefined when there are none. Where the registry sends the whole or nothing, one node reads it, to the end.
 */
export function stripe(others: readonly Claim[], { whole }: Agreement, { count, had, alone, last }: StripeInit): Range | undefined {
  const claimed = (piece: number): boolean => others.some(({ from, to }) => piece >= from && piece < to)
  const free = (piece: number): boolean => !had(piece) && !claimed(piece)
  if (whole && others.length > 0) return undefined
  let from = 0
  while (from < count && !free(from)) from++
  if (from === count) return undefined
  if (whole) return { from, to: count }
  const length = alone && others.length === 0 ? Math.min(most, Math.max(shared, last * 2)) : shared
  let to = from + 1
  while (to < count && to - from < length && free(to)) to++
  return { from, to }
}
