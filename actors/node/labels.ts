import { Failure } from '../../messages/grammar/index.ts'

/** `rack=4,zone=b` as labels. Fails with invalid_argument unless each has a name. */
export function parseLabels(text = ''): Record<string, string> {
  const pairs = text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new Failure('invalid_argument', `label this node ${JSON.stringify(pair)}: labels are written name=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
