import { isDeepStrictEqual } from 'node:util'
import { Failure } from '../../messages/grammar/index.ts'
import type { Image } from '../../messages/image.ts'
import type { Labels } from '../../messages/words/index.ts'
import { parseFilters } from '../../runtime/filter.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import { nameOf, thingTable } from '../../runtime/keeping/things.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'
import { closure, missing, type SizeOf } from './closure.ts'
import { blobThing, keepImage, needs, thingOf } from './kept.ts'

/** What is told when a name is recorded. */
export type NewImage = Omit<Image, 'createdAt' | 'updatedAt' | 'size'>

interface Asked {
  readonly signal: AbortSignal
  readonly trace?: string | undefined
}

interface ListOptions {
  readonly after?: string | undefined
  /** each asks of name, digest or labels */
  readonly filters?: readonly string[] | undefined
}

/** Names and what they name. Every change and the fact that tells it are one transaction. */
export interface Images {
  /**
   * Fails with failed_precondition, naming what is missing, unless all of it is here, and still is in the transaction that records it: from then on it is kept. Labels the
   * name has are kept, those given are set.
   */
  put(image: NewImage, asked: Asked): Promise<Image>
  /** Fails with not_found. */
  get(name: string): Image
  /** By name, from one on. Fails with invalid_argument. */
  list(options: ListOptions): { images: Omit<Image, 'parts'>[]; more: boolean }
  /** A label set to the empty string is taken away. Fails with not_found. */
  label(name: string, labels: Labels, asked: Pick<Asked, 'trace'>): Promise<Image>
  /** Fails with not_found; `unheld`, for the collector, with failed_precondition when something needs it after all. */
  remove(name: string, asked: Pick<Asked, 'trace'> & { unheld?: true | undefined }): Promise<void>
  /** Say of those recorded before what is kept was written down that they are there. */
  keepFound(): Promise<void>
  /** What of it is gone. Fails with not_found. */
  missing(name: string, asked: Asked): Promise<Image['target'][]>
}

export interface ImagesComponents {
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  readonly keeping: Keeping
  readonly sizeOf: SizeOf
  /** now, RFC 3339 */
  readonly now: () => string
}

/** Most images in one page of a list. */
const page = 200

/** The names recorded in the tables of a node. */
export function openImages({ tables, outbox, keeping, sizeOf, now }: ImagesComponents): Images {
  const table = tables.table<Image>('image')
  const things = thingTable(tables)
  const known = (name: string, attempted: string): Image => {
    const image = table.get(name)
    if (!image) throw new Failure('not_found', `${attempted} image ${name}: there is none`)
    return image
  }
  const tell = (fact: string, image: Image, trace: string | undefined, more: { previous?: string } = {}) =>
    outbox.put({ actor: 'image', fact, entity: image.name, data: { name: image.name, digest: image.target.digest, ...more }, trace })

  return {
    async put(image, { signal, trace }) {
      const needed = closure(image)
      const kept = needs(image).filter(keeping.has)
      // Of most the size is written down with what keeps them; the others have to be asked for.
      const unknown = needed.filter(({ digest, size }) => things.get(nameOf(blobThing(digest)))?.size !== size)
      const gone = await missing(sizeOf, unknown, { signal })
      if (gone.length > 0) throw incomplete(image.name, gone)
      const size = needed.reduce((sum, descriptor) => sum + descriptor.size, 0)
      return await tables.transaction(() => {
        // Collected since it was looked up: all that was known to be kept still has to be. What is only doomed is saved by being referred to.
        const lost = kept.filter((thing) => !keeping.has(thing)).map(({ key }) => key)
        if (lost.length > 0)
          throw incomplete(
            image.name,
            needed.filter(({ digest }) => lost.includes(digest)),
          )
        const before = table.get(image.name)
        const at = now()
        const labels = withLabels(before?.labels ?? {}, image.labels)
        const after: Image = { ...image, labels, size, createdAt: before?.createdAt ?? at, updatedAt: at }
        keepImage(keeping, after)
        // Recording the same again is no change: nothing is told, and the time stands.
        if (before && isSame(before, after)) return before
        table.put(image.name, after)
        if (before) tell('updated', after, trace, { previous: before.target.digest })
        else tell('created', after, trace)
        return after
      })
    },
    get: (name) => known(name, 'get'),
    list({ after, filters = [] }) {
      const passes = parseFilters(filters)
      const found = Iterator.from(table.range({ after }))
        .filter(({ value: { name, target, labels } }) => passes({ name, digest: target.digest, labels }))
        .map(({ value: { parts: _, ...image } }) => image)
        .take(page + 1)
        .toArray()
      return { images: found.slice(0, page), more: found.length > page }
    },
    label: (name, labels, { trace }) =>
      tables.transaction(() => {
        const before = known(name, 'label')
        const after: Image = { ...before, labels: withLabels(before.labels, labels), updatedAt: now() }
        keeping.describe(thingOf(name), { labels: after.labels })
        if (isSame(before, after)) return before
        table.put(name, after)
        tell('updated', after, trace, { previous: before.target.digest })
        return after
      }),
    remove: (name, { unheld, trace }) =>
      tables.transaction(() => {
        const image = known(name, 'remove')
        if (unheld) keeping.demandUnheld(thingOf(name))
        table.remove(name)
        keeping.gone(thingOf(name))
        tell('removed', image, trace)
      }),
    keepFound: () =>
      tables.transaction(() => {
        for (const { value } of table.range()) if (!keeping.has(thingOf(value.name))) keepImage(keeping, value)
      }),
    missing: async (name, { signal }) => await missing(sizeOf, closure(known(name, 'check')), { signal }),
  }
}

/** Whether two records of a name say the same, whenever they said it. */
const isSame = (one: Image, other: Image): boolean => isDeepStrictEqual({ ...one, updatedAt: '' }, { ...other, updatedAt: '' })

/** Labels with others set, and those set to the empty string taken away. */
const withLabels = (before: Labels, set: Labels): Labels =>
  Object.fromEntries(Object.entries({ ...before, ...set }).filter(([, value]) => value !== ''))

function incomplete(name: string, gone: readonly Image['target'][]): Failure {
  const digests = gone.map(({ digest }) => digest)
  const few = digests.slice(0, 3).join(', ') + (digests.length > 3 ? ` and ${digests.length - 3} more` : '')
  return new Failure('failed_precondition', `record image ${name}: ${few} not here as described`, { details: { missing: digests } })
}
