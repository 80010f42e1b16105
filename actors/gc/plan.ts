import type { Unneeded } from '../../messages/gc.ts'
import type { Thing } from '../../messages/words/index.ts'
import { type Lifetimes, lifetimes, unneeded } from '../../runtime/keeping/mark.ts'
import { refsOf, thingOf } from '../../runtime/keeping/things.ts'
import { openView, type View } from '../../runtime/keeping/view.ts'
import type { Tables } from '../../runtime/tables.ts'

/** What would go at a time if nothing changed until then, in the order in which it would, and why. */
export async function plan(
  { tables, now }: { tables: Tables; now: () => string },
  { at, signal }: { at: string; signal: AbortSignal },
): Promise<Unneeded[]> {
  await using view = await openView(tables, { now, signal })
  const lives: Lifetimes = await lifetimes(view, { signal })
  const names = (await unneeded(view, lives, { at, signal })).flat()
  const referrers = new Map<string, string>()
  for (const name of names) {
    const row = view.rows.get(name)
    for (const ref of row ? refsOf(row) : []) if (ref !== name && !referrers.has(ref)) referrers.set(ref, name)
  }
  return names.map((name) => {
    const size = view.rows.get(name)?.size
    return {
      ...(thingOf(name) as Thing),
      ...(size !== undefined && { size }),
      why: whyNot(view, name, { at, referrer: referrers.get(name) }),
    }
  })
}

/** What a thing was kept by last, as far as known. */
function whyNot(view: View, name: string, { at, referrer }: { at: string; referrer: string | undefined }): string {
  const { expires, until, rooted } = view.rows.get(name) ?? {}
  if (expires !== undefined && expires <= at) return `its label gantry.gc.expire says ${expires}`
  if (referrer !== undefined) return `only ${referrer} refers to it, which goes too`
  const [lease] = view.held.get(name) ?? []
  const expired = lease === undefined ? undefined : view.leases.get(lease)?.expiresAt
  if (lease !== undefined && expired !== undefined) return `nothing refers to it, and lease ${lease} ends at ${expired}`
  if (rooted !== undefined) return `nothing refers to it, and its label gantry.gc.root says ${rooted}`
  return until === undefined
    ? 'nothing refers to it, and no lease holds it'
    : `nothing refers to it, and it was kept without a lease until ${until}`
}
