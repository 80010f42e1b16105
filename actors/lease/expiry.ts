/** When something is to end: a time, or so many seconds from now, 0 for ever. */
export interface Until {
  readonly expiresAt?: string | undefined
  readonly seconds?: number | undefined
}

/** The time as the UTC text that sorts by time; undefined for ever. A day from `at` if nothing is said; the time wins over the seconds. */
export function expiry({ expiresAt, seconds = daySeconds }: Until, at: string): string | undefined {
  const time = expiresAt === undefined ? Date.parse(at) + seconds * 1000 : Date.parse(expiresAt)
  if (expiresAt === undefined && seconds === 0) return undefined
  return time < latest ? new Date(time).toISOString() : undefined
}

const daySeconds = 86_400

/** Times beyond the year 9999 would not sort as text, and are for ever. */
const latest = Date.parse('9999-12-31T23:59:59.999Z')
