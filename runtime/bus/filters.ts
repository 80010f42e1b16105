/** What to ask a server for that wants one filter from each who reads, and not any filter. */
import { matches } from './matches.ts'

/**
 * What to ask the server for, to get these subjects: a filter must lie within a subject of the stream, or one of those within the filter, or it is refused.
 * Facts of which none is kept are not asked for.
 */
export function filtersOf(wanted: readonly string[], kept: readonly string[]): string[] {
  const filters = wanted.flatMap(
    (subject) => [subject, ofAllNodes(subject)].find((one) => kept.some((it) => matches(it, one) || matches(one, it))) ?? [],
  )
  return [...new Set(filters)]
}

const nodeToken = -3
const ofAllNodes = (subject: string): string => subject.split('.').with(nodeToken, '*').join('.')

/** One filter for all of them: one consumer of server 2.9 has one, and only what one reads is in order as it comes. */
export const common = (wanted: readonly string[]): string =>
  wanted
    .map((subject) => subject.split('.'))
    .reduce((one, other) => one.map((token, at) => (token === other[at] ? token : '*')))
    .join('.')
