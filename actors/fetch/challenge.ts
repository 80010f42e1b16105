/** What a registry asks for with a 401. The scheme is in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

/**
 * The challenges of `WWW-Authenticate` (RFC 9110 §11.6.1), read token by token: scopes have commas inside their quotes.
 * What does not parse ends the list there.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  return [header ?? []].flat().flatMap((one) => [...challenges(one.slice(0, 8192))])
}

function* challenges(text: string): Iterable<Challenge> {
  let current: { scheme: string; parameters: Record<string, string> } | undefined
  const token = /[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const [, word = '', quoted, plain] = found
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (value !== undefined) {
      if (current) current.parameters[word.toLowerCase()] = value
    } else {
      if (current) yield current
      current = { scheme: word.toLowerCase(), parameters: {} }
    }
  }
  if (current) yield current
}
