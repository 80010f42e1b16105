import { randomUUID } from 'node:crypto'
import type { Tables } from '../tables.ts'
import { openReading } from './journal.ts'
import { type Lasting, openLeases } from './leases.ts'
import { breather } from './pieces.ts'
import { type Row, thingTable } from './things.ts'

/** All that is kept and what holds it, as it was at one moment. Until it is disposed it is known what changed since. */
export interface View extends AsyncDisposable {
  readonly rows: ReadonlyMap<string, Row>
  readonly leases: ReadonlyMap<string, Lasting>
  /** names of things, and the leases that hold them */
  readonly held: ReadonlyMap<string, readonly string[]>
  /** Inside a transaction: names of things of which something was written since. */
  changed(): Iterable<string>
  /** names of things that were not doomed for what had changed: they stay, though what changed may be gone by now, and so does what they refer to */
  readonly spared: Set<string>
}

/**
 * See all that is kept. It is read in pieces, so that neither this thread nor those who write wait for long, and then made to agree, in one short transaction, with what was
 * written meanwhile.
 */
export async function openView(tables: Tables, { now, signal }: { now: () => string; signal?: AbortSignal | undefined }): Promise<View> {
  await using stack = new AsyncDisposableStack()
  signal?.throwIfAborted()
  const reading = stack.use(await openReading(tables, randomUUID()))
  const things = thingTable(tables)
  const leased = openLeases(tables, { now })
  const breathe = breather({ signal })

  const rows = new Map<string, Row>()
  for (const { key, value } of things.range()) {
    rows.set(key, value)
    const rest = breathe()
    if (rest) await rest
  }
  const held = new Map<string, string[]>()
  for (const { id, name } of leased.held()) {
    hold(held, name, id)
    const rest = breathe()
    if (rest) await rest
  }
  const leases = await tables.transaction(() => {
    for (const { name, leases } of reading.notes()) {
      const row = things.get(name)
      if (row) rows.set(name, row)
      else rows.delete(name)
      for (const lease of leases) hold(held, name, lease)
    }
    reading.clear()
    return new Map(Array.from(leased.all(), ({ id, ...lasting }) => [id, lasting]))
  })

  const scope = stack.move()
  return {
    rows,
    leases,
    held,
    spared: new Set(),
    *changed() {
      for (const { name } of reading.notes()) yield name
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

function hold(held: Map<string, string[]>, name: string, lease: string): void {
  const leases = held.get(name)
  if (!leases) held.set(name, [lease])
  else if (!leases.includes(lease)) leases.push(lease)
}
