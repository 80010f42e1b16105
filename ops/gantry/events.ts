import { type Command, InvalidArgumentError } from 'commander'
import type { Envelope } from '../../runtime/bus/envelope.ts'
import type { Hearing } from '../../runtime/bus/hearing.ts'
import { listen } from '../../runtime/bus/listen.ts'
import type { Kept, LastOf, Recalling } from '../../runtime/bus/stream.ts'
import { milliseconds } from '../command/globals.ts'
import { print } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking, type Session } from '../command/session.ts'

interface EventsOptions {
  readonly actor?: string
  readonly since?: Date
  readonly fromSeq?: number
  readonly entity?: string
  readonly last?: boolean
  readonly follow: boolean
}

/** `gantry events`: facts as they are told, by every node unless one is named; when asked for any that were kept, first those. */
export function events(command: Command): void {
  command
    .argument('[patterns...]', 'of <actor>.<fact>: image.>, snapshot.committed, *.removed; all unless given')
    .option('--actor <name>', 'what this actor tells, as <actor>.> does')
    .option('--since <when>', 'begin with what was kept since so long ago, such as 1h, or since a time, such as 2026-11-21T10:00Z', time)
    .option('--from-seq <number>', 'begin with what was kept from this place in the stream on', place)
    .option('--entity <id>', 'all that was kept about this one thing')
    .option('--last', 'of what was kept only the newest about each thing')
    .option('--no-follow', 'end with what was kept; progress is not kept')
    .action(
      asking<EventsOptions>(async (session, { args, options }) => {
        const { json, terminal } = session.listing
        const { node, actor } = options
        const hearing = { node, patterns: [...args, ...(actor === undefined ? [] : [`${actor}.>`])] }
        const shown = json || !terminal ? (event: Envelope) => JSON.stringify(event) : line
        for await (const event of factsOf(session, hearing, options)) print([shown(event)])
      }),
    )
}

type Wanted = Omit<Hearing, 'fact'>

/** Those that are kept are asked for by any option that says which; without, facts are heard as they come, progress among them. */
function factsOf(session: Session, hearing: Wanted, { since, fromSeq, entity, last, follow }: EventsOptions): AsyncIterable<Envelope> {
  const kept = since !== undefined || fromSeq !== undefined || entity !== undefined || last || !follow
  return kept ? recalled(session, { ...hearing, since, from: fromSeq, entity, follow }, last) : now(session, hearing)
}

async function* now({ bus, signal }: Session, hearing: Wanted): AsyncGenerator<Envelope> {
  await using heard = listen(bus, hearing, { signal })
  await heard.ready
  yield* heard
}

async function* recalled({ bus, signal }: Session, recalling: Recalling, last = false): AsyncGenerator<Kept> {
  const { recall } = await import('../../runtime/bus/stream.ts')
  yield* recall(bus, { ...recalling, signal, ...(last && { last: await thing() }) })
}

/** What each node has is its own thing; what all of them share is one, whoever tells of it. */
async function thing(): Promise<LastOf> {
  const { protocols } = await import('../../messages/index.ts')
  const shared = new Set(
    Object.entries(protocols).flatMap(([actor, protocol]) =>
      Object.entries(protocol).flatMap(([fact, word]) => (word.kind === 'event' && word.shared ? [`${actor}.${fact}`] : [])),
    ),
  )
  return ({ source, type, subject }) => JSON.stringify([shared.has(type) || source, type.split('.')[0], subject])
}

/** Place in the stream, time, node, what happened to what, and the rest as JSON. */
const line = ({ time, source, type, subject = '', data, ...kept }: Envelope & Partial<Kept>): string =>
  [...(kept.seq === undefined ? [] : [String(kept.seq)]), time, source, type, subject, JSON.stringify(data)].map(printable).join('  ')

function time(text: string): Date {
  if (!/^\d{4}-/.test(text)) return new Date(Date.now() - milliseconds(text))
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new InvalidArgumentError('a duration or a time is wanted, such as 1h, 2026-11-21T10:00Z.')
  return date
}

function place(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('a number is wanted, 1 or more.')
  return Number(text)
}
