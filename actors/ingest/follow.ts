import { Failure } from '../../messages/grammar/index.ts'
import type { Holder, Status } from '../../messages/ingest.ts'
import { type Digest, isDigest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Changes } from './changes.ts'
import type { Contents } from './contents.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { Endings } from './endings.ts'

/** What a follower sees: where it stands, and the file to read. */
export interface Item {
  readonly state: Status['state']
  readonly path: string
  readonly offset: number
  readonly total?: number | undefined
}

/** An ingest at one moment. */
export interface Seen {
  readonly item: Item
  /** while it is the same, what was read of it holds */
  readonly epoch: string
  readonly holder?: Holder | undefined
}

export interface FollowComponents {
  readonly blobs: Blobs
  readonly changes: Changes
  readonly elsewhere: Elsewhere
  readonly endings: Endings
  readonly contents: Contents
  /** an ingest as it is now; one whose holder is dead is closed first */
  readonly look: (reference: string) => Promise<Seen | undefined>
  /** call back when a holder in another process is no more */
  readonly outlive: (holder: Holder, then: () => void) => Disposable
}

/** At most this often a follower is told of growth. */
const paceMs = 50

/**
 * Watch one ingest: where it stands at once, then each change, those within {@link paceMs} as one, the last always. Ends with the item that says it is content.
 * Fails with not_found when there is neither ingest nor content, with data_loss when it is thrown away, started over or truncated: what was read of it counts for nothing.
 * It does not matter in which process its writer is.
 */
export async function* follow(reference: string, components: FollowComponents, options: { signal: AbortSignal }): AsyncIterable<Item> {
  const { blobs, changes, look, outlive } = components
  const { id } = blobs.ingest(reference)
  using _attending = components.elsewhere.attend()
  using watch = changes.watch(id)
  using scope = new DisposableStack()
  const first = await look(reference)
  if (!first) return yield contentOf(reference, components)
  const attended = new Set<string>()
  let said: Item | undefined
  for (let seen: Seen | undefined = first; seen?.epoch === first.epoch; seen = await look(reference)) {
    const { item, holder } = seen
    if (holder && !attended.has(keyOf(holder))) {
      attended.add(keyOf(holder))
      scope.use(outlive(holder, () => changes.tell(id)))
    }
    if (!same(item, said)) yield (said = item)
    await watch.changed(options)
    await watch.rest(paceMs, options)
  }
  yield ended(reference, first.epoch, components)
}

/** What is content already, under its digest. */
function contentOf(reference: string, { blobs, contents }: FollowComponents): Item {
  const info = isDigest(reference) ? contents.get(reference) : undefined
  if (!info) throw new Failure('not_found', `follow ingest ${reference}: there is none`)
  return content(blobs, info)
}

/** The last item of an ingest that is no more, or is another now. */
function ended(reference: string, epoch: string, { blobs, endings, contents }: FollowComponents): Item {
  const ending = endings.find(reference, epoch)
  const found = ending ? ending.found : isDigest(reference) ? contents.get(reference) : undefined
  if (found) return content(blobs, found)
  throw new Failure('data_loss', `follow ingest ${reference}: ${ending?.why ?? 'it was started over or truncated'}`)
}

/** A blob, as the last item says it. */
const content = (blobs: Blobs, { digest, size }: { digest: Digest; size: number }): Item => ({
  state: 'committed',
  path: blobs.blob(digest),
  offset: size,
  total: size,
})

const keyOf = ({ pid, started, boot }: Holder): string => `${pid} ${started} ${boot}`

const same = (one: Item, other: Item | undefined): boolean =>
  one.state === other?.state && one.offset === other.offset && one.path === other.path && one.total === other.total
