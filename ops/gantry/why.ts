import { type Command, Option } from 'commander'
import type { gc, Why } from '../../messages/gc.ts'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import { gather } from '../../runtime/bus/gather.ts'
import { fullName } from '../command/full-name.ts'
import { type Column, listing, print } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'
import { everybody } from './everybody.ts'

type Gc = Client<typeof gc>
type Kind = Why['thing']['kind']

/** `gantry why [--all-nodes] X`: what keeps a blob, snapshot, image, container or ingest: the way to it from a root, the leases that hold it, and until when. */
export function why(command: Command): void {
  command
    .argument('<key>', 'a digest, driver/key of a snapshot, an image, id of a container, reference of an ingest')
    .addOption(new Option('--kind <kind>', 'what it is a key of').choices(['content', 'ingest', 'snapshot', 'image', 'container']))
    .option('--all-nodes', 'ask every node, and say for each that has it')
    .action(
      asking<{ kind?: Kind; allNodes?: true }>(async (session, { args: [key = ''], options: { kind, allNodes } }) => {
        const { ask, listing: how } = session
        if (allNodes) return await whyEverywhere(session, key, kind)
        const found = await find(ask<typeof gc>('gc'), key, kind)
        print(how.json ? [JSON.stringify(found)] : listing(rowsOf(found), columns, how))
      }),
    )
}

/** What keeps it on each node that has it. */
async function whyEverywhere(session: Session, key: string, kind: Kind | undefined): Promise<number> {
  const names = kind === undefined || kind === 'image' ? [key, imageOf(key) ?? key] : [key]
  for (const name of new Set(names)) {
    const { replies, exit } = await everybody(session, having(session, { key: name, ...(kind && { kind }) }))
    if (replies.length === 0 && exit === 0) continue
    const { json } = session.listing
    const rows = replies.flatMap(({ node, reply }) => rowsOf(reply).map((row) => ({ node, ...row })))
    print(
      json
        ? replies.map(({ node, reply }) => JSON.stringify({ node, ...reply }))
        : listing(rows, [nodeColumn, ...columns], session.listing),
    )
    return exit
  }
  throw new Failure('not_found', `say what keeps ${key}: no node has it`)
}

/** ms in which a node that is busy answers */
const stallMs = 1_000

/** Answers of those that have it, and of those that cannot say. */
async function* having({ bus, signal }: Session, request: { key: string; kind?: Kind }) {
  for await (const answer of gather<typeof gc, 'why'>(bus, 'gc', 'why', request, { stallMs, signal }))
    if ('reply' in answer || !isFailure(answer.failure, 'not_found')) yield answer
}

/** As it is written; then as the name of an image written short. */
async function find(collector: Gc, key: string, kind: Kind | undefined): Promise<Why> {
  try {
    return await collector.why({ key, ...(kind && { kind }) })
  } catch (error) {
    const name = kind === undefined || kind === 'image' ? imageOf(key) : undefined
    if (!isFailure(error, 'not_found') || name === undefined || name === key) throw error
    return await collector.why({ kind: 'image', key: name }).catch((second: unknown) => {
      throw isFailure(second, 'not_found') ? error : second
    })
  }
}

function imageOf(text: string): string | undefined {
  try {
    return fullName(text)
  } catch {
    return undefined
  }
}

/** One line of what is known: a step of the way, a lease, a time. */
interface Row {
  readonly what: string
  readonly key: string
  readonly by?: string
}

function rowsOf({ thing, kept, path, leases, expiresAt }: Why): Row[] {
  return [
    ...path.map(({ kind, key, by }) => ({ what: kind, key, by })),
    ...(kept ? [] : [{ what: thing.kind, key: thing.key, by: 'nothing keeps it' }]),
    ...leases.map((lease) => ({
      what: 'lease',
      key: lease.id,
      by: lease.expiresAt === undefined ? 'for ever' : `until ${lease.expiresAt}`,
    })),
    ...(expiresAt === undefined || forItself.has(thing.kind)
      ? []
      : [{ what: thing.kind, key: thing.key, by: `for having been made, until ${expiresAt}` }]),
  ]
}

/** These stay until they are removed: that they were made a short while ago adds nothing. */
const forItself: ReadonlySet<Kind> = new Set(['image', 'container'])

const columns: Column<Row>[] = [
  { head: 'KIND', value: ({ what }) => what },
  { head: 'KEY', value: ({ key }) => key },
  { head: 'KEPT BY', value: ({ by }) => by },
]

const nodeColumn: Column<{ node: string }> = { head: 'NODE', value: ({ node }) => node }
