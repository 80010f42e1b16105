import { Failure } from '../../messages/grammar/index.ts'
import type { Finding, scrub } from '../../messages/scrub.ts'
import { complain } from './complain.ts'
import { type Column, listing, print } from './output.ts'
import type { Session } from './session.ts'

type Kind = 'content' | 'snapshot'

/** What is looked at again, and how what is found is printed. */
export interface Scrubbing {
  readonly program: string
  readonly kinds?: Kind[]
  /** all if there are none */
  readonly keys: readonly string[]
  readonly repair?: boolean | undefined
  readonly columns: readonly Column<Finding>[]
}

/** Look at things again, a line each as it is found. The exit code says whether something stays damaged. */
export async function scrubbing(
  { ask, listing: { json } }: Session,
  { program, kinds, keys, repair = false, columns }: Scrubbing,
): Promise<number> {
  const request = { repair, ...(kinds && { kinds }), ...(keys.length > 0 && { keys: [...keys] }) }
  let seen = 0
  let damaged = 0
  for await (const finding of ask<typeof scrub>('scrub').run(request)) {
    seen++
    if (finding.state === 'damaged') damaged++
    print(listing([finding], columns, { json, terminal: false }))
  }
  return damaged === 0 ? 0 : complain(program, new Failure('data_loss', `verify what is here: ${damaged} of ${seen} are damaged`))
}
