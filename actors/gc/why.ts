import type { Why } from '../../messages/gc.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Thing } from '../../messages/words/index.ts'
import { hasEnded } from '../../runtime/keeping/leases.ts'
import { shortestPath } from '../../runtime/keeping/mark.ts'
import { nameOf, type Row, rootUntil, thingOf } from '../../runtime/keeping/things.ts'
import { openView, type View } from '../../runtime/keeping/view.ts'
import type { Tables } from '../../runtime/tables.ts'

/** What keeps a thing now. Fails with not_found when nothing is known of it, with failed_precondition when the key is that of several. */
export async function why(
  { tables, now }: { tables: Tables; now: () => string },
  asked: { kind?: Thing['kind'] | undefined; key: string },
  { signal }: { signal: AbortSignal },
): Promise<Why> {
  const at = now()
  await using view = await openView(tables, { now, signal })
  const name = find(view, asked)
  const path = await shortestPath(view, name, { at, signal })
  const { until } = view.rows.get(name) ?? {}
  return {
    thing: thing(name),
    kept: path !== undefined,
    path: (path ?? []).map((step, index) => ({
      ...thing(step),
      by: index === 0 ? whyRoot(view, step, at) : whyReferred(view, path?.[index - 1] ?? '', step),
    })),
    leases: leasesOf(view, name, at),
    ...(until !== undefined && until > at && { expiresAt: until }),
  }
}

const thing = (name: string): Thing => thingOf(name) as Thing

/** The one name that is meant; a snapshot may be asked for without its driver. */
function find({ rows }: View, { kind, key }: { kind?: string | undefined; key: string }): string {
  const found = [...rows.keys()].filter((name) => {
    const one = thingOf(name)
    if (kind !== undefined && one.kind !== kind) return false
    return one.key === key || (one.kind === 'snapshot' && one.key.slice(one.key.indexOf('/') + 1) === key)
  })
  const [first, ...others] = found
  const what = `say what keeps ${nameOf({ kind: kind ?? 'thing', key })}`
  if (first === undefined)
    throw new Failure('not_found', `${what}: nothing is known of it; what was made before such things were written down is not collected`)
  if (others.length > 0) throw new Failure('failed_precondition', `${what}: it may be ${found.join(' or ')}`, { details: { found } })
  return first
}

/** The leases that hold a thing itself. */
const leasesOf = ({ held, leases }: View, name: string, at: string): { id: string; expiresAt?: string }[] =>
  (held.get(name) ?? []).flatMap((id) => {
    const lease = leases.get(id)
    if (!lease || hasEnded(lease, at)) return []
    return [{ id, ...(lease.expiresAt !== undefined && { expiresAt: lease.expiresAt }) }]
  })

/** Why a thing is kept for itself. */
function whyRoot(view: View, name: string, at: string): string {
  const row: Row | undefined = view.rows.get(name)
  if (row && rootUntil(name, row) > at) {
    if (row.root) return rootWords[thingOf(name).kind] ?? 'it is in use'
    if (row.rooted !== undefined && row.rooted > at)
      return row.rooted === 'always' ? 'its label gantry.gc.root' : `its label gantry.gc.root, until ${row.rooted}`
    return `made under no lease, kept until ${row.until}`
  }
  const [lease] = leasesOf(view, name, at)
  return lease?.expiresAt === undefined ? `lease ${lease?.id}` : `lease ${lease.id}, until ${lease.expiresAt}`
}

const rootWords: Readonly<Record<string, string>> = {
  image: 'it is an image',
  container: 'it is a container',
  ingest: 'somebody writes it',
}

/** How one thing refers to the next. */
function whyReferred({ rows }: View, from: string, to: string): string {
  if (rows.get(from)?.labelled.includes(to)) return 'a label gantry.gc.ref refers to it'
  return referenceWords[`${thingOf(from).kind} ${thingOf(to).kind}`] ?? 'it is referred to'
}

const referenceWords: Readonly<Record<string, string>> = {
  'image content': 'part of the image',
  'container snapshot': 'snapshot of the container',
  'container content': 'manifest or config of the container',
  'snapshot snapshot': 'parent of the snapshot',
  'ingest content': 'what the ingest is to become',
}
