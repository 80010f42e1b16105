/**
 * Whether a subject is one of a pattern's: `*` is one token, a last `>` one or more.
 * The subject may be a pattern itself: then whether all of its subjects are the other's.
 */
export function matches(pattern: string, subject: string): boolean {
  const want = pattern.split('.')
  const have = subject.split('.')
  if (want.at(-1) === '>') return have.length >= want.length && want.slice(0, -1).every((token, i) => token === '*' || token === have[i])
  return have.length === want.length && want.every((token, i) => token === '*' || token === have[i])
}
