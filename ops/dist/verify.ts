import type { Command } from 'commander'
import { Failure } from '../../messages/grammar/index.ts'
import type { Finding } from '../../messages/scrub.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import type { Column } from '../command/output.ts'
import { scrubbing } from '../command/scrubbing.ts'
import { asking } from '../command/session.ts'

/** `dist verify [--repair] [DIGEST…]`: hash blobs again, all of them if none is named; exit code 13 when one stays damaged. */
export function verify(command: Command): void {
  command
    .argument('[digests...]', 'of blobs; every one if left out')
    .option('--repair', 'fetch what is damaged again from where it came')
    .action(
      asking<{ repair?: boolean }>(async (session, { args: keys, options: { repair } }) => {
        const wrong = keys.find((key) => !isDigest(key))
        if (wrong !== undefined) throw new Failure('invalid_argument', `verify ${JSON.stringify(wrong)}: not a digest`)
        return await scrubbing(session, { program: 'dist', kinds: ['content'], keys, repair, columns })
      }),
    )
}

const columns: Column<Finding>[] = [
  { head: 'DIGEST', value: ({ key }) => key },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'WHY', value: ({ why }) => why },
]
