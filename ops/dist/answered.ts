import type { Answered } from '../../messages/pull.ts'
import { ago } from '../command/output.ts'
import { printable } from '../command/printable.ts'

/** ms an answer is as good as new */
const freshMs = 1_000

/** Say in the end, of what a reference stands for, since when that is known; nothing when it was asked for just now. */
export function sayAge(reference: string, answered: Answered): void {
  const { source, by, checkedAt, ageMs } = answered
  if (source === 'digest' || (source === 'registry' && ageMs < freshMs)) return
  const how = source === 'shared' ? `shared by ${by}` : `asked for by ${by}`
  process.stdout.write(`${printable(reference)}: ${how} ${ago(checkedAt)}\n`)
}

/** Warn on standard error of an answer that is older than was wanted. */
export function sayStale(reference: string, { stale, checkedAt, why }: Answered): void {
  if (!stale) return
  process.stderr.write(`dist: stale: what ${printable(reference)} stands for was asked for ${ago(checkedAt)}: ${printable(why ?? '')}\n`)
}
