import type { Command } from 'commander'
import { Failure } from '../../messages/grammar/index.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { fullName } from '../command/full-name.ts'
import { type Column, listing, print, size } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { type Held, holdersOf } from './holders.ts'
import { imageParts } from './image-parts.ts'

/** `dist where DIGEST|IMAGE`: which nodes have a blob, or all that an image is made of, and how much of it. */
export function where(command: Command): void {
  command.argument('<what>', 'a digest, or an image that some node has').action(
    asking(async (session, { args: [what = ''] }) => {
      const digests = isDigest(what) ? [what] : await imageParts(session, fullName(what))
      const rows = sumsOf(await holdersOf(session, digests))
      if (rows.length === 0) throw new Failure('not_found', `look for ${what}: no node has any of it`)
      print(listing(rows, columns, session.listing))
    }),
  )
}

/** What one node has, of all that was asked for. */
interface Row {
  readonly node: string
  readonly bytes: number
  readonly size: number
  readonly percent: number
  readonly state: 'complete' | 'receiving' | 'part'
  /** it has whole */
  readonly blobs: number
  readonly of: number
}

/** A row a node. How large a blob is, is known by who has some of it: what nobody has counts for its number only. */
function sumsOf(held: ReadonlyMap<string, readonly Held[]>): Row[] {
  const sizes = [...held.values()].map((all) => Math.max(0, ...all.map(({ size: one }) => one)))
  const total = sizes.reduce((sum, one) => sum + one, 0)
  const nodes = [...new Set([...held.values()].flatMap((all) => all.map(({ node }) => node)))].toSorted()
  return nodes.map((node) => {
    const its = [...held.values()].flatMap((all) => all.filter((one) => one.node === node))
    const bytes = its.reduce((sum, one) => sum + one.bytes, 0)
    const blobs = its.filter(({ complete }) => complete).length
    const state = blobs === held.size ? 'complete' : blobs < its.length ? 'receiving' : 'part'
    // what is not whole is not 100 %
    const percent = state === 'complete' ? 100 : Math.min(99, Math.floor((100 * bytes) / Math.max(1, total)))
    return { node, state, percent, bytes, size: total, blobs, of: held.size }
  })
}

const columns: Column<Row>[] = [
  { head: 'NODE', value: ({ node }) => node },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'PERCENT', value: ({ percent }) => percent, shown: ({ percent }) => `${percent} %` },
  { head: 'HAS', value: ({ bytes }) => bytes, shown: ({ bytes }) => size(bytes) },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
  { head: 'BLOBS', value: ({ blobs, of }) => `${blobs}/${of}` },
]
