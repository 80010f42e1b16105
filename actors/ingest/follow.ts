import { Failure } from '../../messages/grammar/index.ts'
import type { Status } from '../../messages/ingest.ts'
import type { Changes } from './changes.ts'

/** What a follower sees: where it stands, and the file to read. */
export interface Item {
  readonly state: Status['state']
  readonly path: string
  readonly offset: number
  readonly total?: number | undefined
}

export interface FollowComponents {
  readonly changes: Changes
  /** where it stands now; as a blob when it is content; undefined when there is neither */
  readonly look: (reference: string) => Promise<Item | undefined>
  readonly blobPath: (digest: string) => string
}

/** At most this often a follower is told of growth. */
const paceMs = 50

/**
 * Watch one ingest: where it stands at once, then each change, those within {@link paceMs} as one, the last always. Ends with the item that says it is content.
 * Fails with not_found when there is neither ingest nor content, with data_loss when it is thrown away or started over: what was read of it counts for nothing.
 */
export async function* follow(reference: string, components: FollowComponents, options: { signal: AbortSignal }): AsyncIterable<Item> {
  const { changes, look, blobPath } = components
  using watch = changes.watch(reference)
  let said: Item | undefined
  for (;;) {
    const item = watch.ending?.state === 'committed' ? content(blobPath(watch.ending.digest), watch.ending.size) : await look(reference)
    if (watch.ending?.state === 'aborted') throw new Failure('data_loss', `follow ingest ${reference}: ${watch.ending.why}`)
    if (item === undefined && watch.ending === undefined) {
      if (said === undefined) throw new Failure('not_found', `follow ingest ${reference}: there is none`)
      throw new Failure('data_loss', `follow ingest ${reference}: it is gone`)
    }
    if (item !== undefined && !same(item, said)) yield (said = item)
    if (item?.state === 'committed') return
    await watch.changed(options)
    await watch.rest(paceMs, options)
  }
}

/** A blob, as the last item says it. */
export const content = (path: string, size: number): Item => ({ state: 'committed', path, offset: size, total: size })

const same = (one: Item, other: Item | undefined): boolean =>
  one.state === other?.state && one.offset === other.offset && one.path === other.path && one.total === other.total
