/** What must hold of any content store that has just been started, whatever happened to the one before it on the same root. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isFailure } from '../../messages/grammar/index.ts'
import type { Status } from '../../messages/ingest.ts'
import { isAlive, thisProcess } from '../../runtime/alive.ts'
import { thingOf, thingTable } from '../../runtime/keeping/things.ts'
import { digestOf, type Store } from './content.ts'

/**
 * What is wrong with it: a blob that is not what its digest says, an ingest that cannot be opened, a file nothing speaks of, a thing without its row, a row
 * without its thing. Nobody else may be at work on the root; `open` leaves ingests alone when it is false.
 */
export async function unsound(store: Store, { open = true } = {}): Promise<string[]> {
  const { ingests } = await store.ingest.list({})
  const digests = await digestsOf(store)
  return [
    ...(await Promise.all(digests.map((digest) => damaged(store, digest)))).flat(),
    ...(open ? (await Promise.all(ingests.map((ingest) => stuck(store, ingest)))).flat() : []),
    ...(await orphans(store.home.root, { digests, references: ingests.map(({ reference }) => reference) })),
    ...strayRows(store, { digests, references: ingests.map(({ reference }) => reference) }),
  ]
}

/** All there are, page after page. */
export async function digestsOf(store: Store): Promise<string[]> {
  const digests: string[] = []
  for (let more = true; more; ) {
    const page = await store.content.list({ ...(digests.length > 0 && { after: digests.at(-1) ?? '' }) })
    digests.push(...page.blobs.map(({ digest }) => digest))
    more = page.more
  }
  return digests
}

async function damaged(store: Store, digest: string): Promise<string[]> {
  try {
    await store.content.verify({ digest })
    const { path, size } = await store.content.locate({ digest })
    const file = await stat(path)
    const mode = (file.mode & 0o777).toString(8)
    return file.size === size && mode === '444' ? [] : [`blob ${digest} has ${file.size} bytes, ${size} were said, and mode ${mode}`]
  } catch (error) {
    return [`blob ${digest}: ${error instanceof Error ? error.message : error}`]
  }
}

async function stuck(store: Store, { reference, state, holder, offset, total = Infinity }: Status): Promise<string[]> {
  if (state !== 'closed' || holder) return [`ingest ${reference} is ${state} and held by ${JSON.stringify(holder)}`]
  try {
    const opened = await store.ingest.open({ reference })
    await store.ingest.close({ token: opened.token })
    // More than there may be is not gone on with.
    return opened.offset === (offset > total ? 0 : offset) ? [] : [`ingest ${reference} was at ${offset} and is opened at ${opened.offset}`]
  } catch (error) {
    if (isFailure(error, 'already_exists')) return []
    return [`ingest ${reference} cannot be opened: ${error instanceof Error ? error.message : error}`]
  }
}

/** What there is, as it is told. */
interface Known {
  readonly digests: readonly string[]
  readonly references: readonly string[]
}

/** Files below `content` that belong to no blob, no ingest and no living process. */
async function orphans(root: string, { digests, references }: Known): Promise<string[]> {
  const ours = new Set([
    ...digests.map((digest) => join('blobs', ...digest.split(':'))),
    ...references.map((reference) => join('ingest', digestOf(reference).slice('sha256:'.length))),
  ])
  const directory = join(root, 'content')
  const { boot } = await thisProcess()
  const speaking = async (path: string): Promise<boolean> => {
    const [kind = '', name = ''] = path.split('/')
    const [, pid = '', started = ''] = /^(\d+)-(\d+)$/.exec(name) ?? []
    if (kind === 'holders') return await isAlive({ pid: Number(pid), started, boot })
    return ours.has(path) || ours.has(join(path, '..'))
  }
  const files = await readdir(directory, { recursive: true })
  const found = files.filter((path) => path.split('/').length > (path.startsWith('blobs') ? 2 : 1))
  const left = await Promise.all(found.map(async (path) => ((await speaking(path)) ? [] : [`nothing speaks of content/${path}`])))
  return left.flat()
}

/** Rows of what is kept without a thing, and things without a row. */
function strayRows({ home }: Store, { digests, references }: Known): string[] {
  const things = new Set([...digests.map((digest) => `content/${digest}`), ...references.map((reference) => `ingest/${reference}`)])
  const rows = new Set(
    Array.from(thingTable(home.tables).range(), ({ key }) => key).filter((name) => ['content', 'ingest'].includes(thingOf(name).kind)),
  )
  return [
    ...[...things.difference(rows)].map((name) => `${name} has no row that keeps it`),
    ...[...rows.difference(things)].map((name) => `${name} is kept and is not there`),
  ]
}
