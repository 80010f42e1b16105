import { Failure } from '../../messages/grammar/index.ts'

/** Labels as people write them: `key=value`, and `key=` to take one away. Fails with invalid_argument. */
export function labelsOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=')
      if (at < 1) throw new Failure('invalid_argument', `read label ${JSON.stringify(word)}: key=value is wanted`)
      return [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

/** Labels on one line. */
export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
