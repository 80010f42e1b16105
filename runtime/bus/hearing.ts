/** Which facts somebody wants, and under which subjects they are told. */
import { eventSubject, Failure } from '../../messages/grammar/index.ts'
import { matches } from './matches.ts'

/** Of one node or of all; and of those what one actor tells, one fact, or what any of several patterns names. */
export interface Hearing<F extends string = string> {
  readonly node?: string | undefined
  readonly actor?: string | undefined
  readonly fact?: F | undefined
  /** of `<actor>.<fact>`, such as `image.>`, `*.removed`, `snapshot.committed`; they stand instead of actor and fact, and none is all */
  readonly patterns?: readonly string[] | undefined
}

/** The subjects of what is wanted, as patterns, none of them within another. Fails with invalid_argument. */
export function subjectsOf(root: string, { node = '*', actor = '*', fact = '*', patterns = [] }: Hearing): string[] {
  const wanted = patterns.length === 0 ? [[actor, fact] as const] : patterns.map(wordsOf)
  const subjects = [...new Set(wanted.map(([actor, fact]) => eventSubject(root, node, actor, fact)))]
  return subjects.filter((one) => subjects.every((other) => other === one || !matches(other, one)))
}

/** A pattern as actor and fact, each a word or `*`. */
function wordsOf(pattern: string): readonly [actor: string, fact: string] {
  const words = pattern.split('.')
  const [actor = '', fact = ''] = pattern === '>' ? ['*', '*'] : words
  if (words.length > 2 || !word.test(actor) || !(word.test(fact) || fact === '>')) {
    const meant = words.length === 1 && word.test(pattern) ? `, ${pattern}.> for instance` : ''
    throw new Failure(
      'invalid_argument',
      `listen to ${JSON.stringify(pattern)}: <actor>.<fact> is wanted${meant}; * stands for any word, > for all that follow`,
    )
  }
  return [actor, fact === '>' ? '*' : fact]
}

const word = /^(\*|[A-Za-z0-9_-]+)$/
