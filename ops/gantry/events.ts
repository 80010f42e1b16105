import type { Command } from 'commander'
import type { Envelope } from '../../runtime/bus/envelope.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { milliseconds } from '../command/globals.ts'
import { print } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking, type Session } from '../command/session.ts'

interface EventsOptions {
  readonly actor?: string
  readonly since?: number
  readonly follow?: boolean
}

/** `gantry events`: facts as they are told, by every node unless one is named; with `--since` first those that were kept. */
export function events(command: Command): void {
  command
    .option('--actor <name>', 'only what this actor tells')
    .option('--since <duration>', 'begin with what was kept since so long ago, such as 1h; progress is not kept', milliseconds)
    .option('--no-follow', 'end with what was kept')
    .action(
      asking<EventsOptions>(async (session, { options }) => {
        const { json } = session.listing
        const { node, actor, since, follow = true } = options
        const facts = since === undefined ? now(session, { node, actor }) : kept(session, { node, actor }, { since, follow })
        for await (const event of facts) print([json ? JSON.stringify(event) : line(event)])
      }),
    )
}

/** Whose facts. */
interface Of {
  readonly node: string | undefined
  readonly actor: string | undefined
}

async function* now({ bus, signal }: Session, of: Of): AsyncGenerator<Envelope> {
  await using heard = listen(bus, of, { signal })
  await heard.ready
  yield* heard
}

async function* kept({ bus, signal }: Session, of: Of, { since, follow }: { since: number; follow: boolean }): AsyncGenerator<Envelope> {
  const { recall } = await import('../../runtime/bus/stream.ts')
  yield* recall(bus, { ...of, since: new Date(Date.now() - since), follow, signal })
}

/** Time, node, what happened to what, and the rest as JSON. */
const line = ({ time, source, type, subject = '', data }: Envelope): string =>
  [time, source, type, subject, JSON.stringify(data)].map(printable).join('  ')
