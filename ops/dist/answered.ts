import type { Answered } from '../../messages/pull.ts'
import { ago } from '../command/output.ts'
import { printable } from '../command/printable.ts'

/** ms an answer is as good as new */
const freshMs = 1_000

/** Since when it is known what a reference stands for, to be said in the end; undefined when it was asked for just now. */
export function ageOf(reference: string, { source, by, checkedAt, ageMs }: Answered): string | undefined {
  if (source === 'digest' || (source === 'registry' && ageMs < freshMs)) return undefined
  return `${printable(reference)}: ${source === 'shared' ? 'shared by' : 'asked for by'} ${by} ${ago(checkedAt)}`
}

/** What is to be warned of; undefined unless the answer is older than was wanted. */
export function staleness(reference: string, { stale, checkedAt, why = '' }: Answered): string | undefined {
  return stale ? `stale: what ${printable(reference)} stands for was asked for ${ago(checkedAt)}: ${printable(why)}` : undefined
}
