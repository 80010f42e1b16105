import { type Command, Option } from 'commander'
import type { gc, Why } from '../../messages/gc.ts'
import { type Client, isFailure } from '../../messages/grammar/index.ts'
import { fullName } from '../command/full-name.ts'
import { type Column, listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'

type Gc = Client<typeof gc>
type Kind = Why['thing']['kind']

/** `gantry why X`: what keeps a blob, snapshot, image, container or ingest: the way to it from a root, the leases that hold it, and until when. */
export function why(command: Command): void {
  command
    .argument('<key>', 'a digest, driver/key of a snapshot, an image, id of a container, reference of an ingest')
    .addOption(new Option('--kind <kind>', 'what it is a key of').choices(['content', 'ingest', 'snapshot', 'image', 'container']))
    .action(
      asking<{ kind?: Kind }>(async ({ ask, listing: how }, { args: [key = ''], options: { kind } }) => {
        const found = await find(ask<typeof gc>('gc'), key, kind)
        print(how.json ? [JSON.stringify(found)] : listing(rowsOf(found), columns, how))
      }),
    )
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
