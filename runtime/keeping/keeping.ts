/**
 * What is kept: every thing a node has, what it refers to, and what holds it. One table for all kinds, so that makers write it in the transaction that
 * makes a thing, and the collector reads it without knowing any of them.
 *
 * Worked example: in one transaction a blob's record is written and `keep({kind: 'content', key: digest}, {lease: 'p1', size})` said; when an image is
 * recorded, `keep({kind: 'image', key: name}, {root: true, refs: [that blob]})`; when lease p1 ends, the image keeps the blob; when the image is
 * forgotten, `gone(image)`, and the next mark finds the blob unneeded and dooms it. Whoever then refers to it, or holds it, saves it in that same
 * transaction; else its owner, asked by the collector, makes sure with `demandUnheld` in the transaction that removes it, and says `gone`.
 */
import { Failure } from '../../messages/grammar/index.ts'
import type { Tables } from '../tables.ts'
import { openJournal } from './journal.ts'
import { openLeases } from './leases.ts'
import { isRootAt, type Labels, nameOf, type Row, readLabels, refsOf, type Thing, thingTable } from './things.ts'

/** What its owner says of a thing; what is left out stays as it was said before. */
export interface Said {
  readonly refs?: readonly Thing[] | undefined
  readonly labels?: Labels | undefined
  /** bytes */
  readonly size?: number | undefined
  /** kept whatever refers to it */
  readonly root?: boolean | undefined
}

/** What changes something only inside a transaction. */
export interface Keeping {
  /**
   * A thing is there, or was made or asked for again: held by the lease named, or without one for a while from now on. What it refers to is saved.
   * Fails with not_found when there is no such lease.
   */
  keep(thing: Thing, how?: Said & { lease?: string | undefined }): void
  /** Say something else of a thing that is there, and leave what holds it as it is. One that is not there is passed over. */
  describe(thing: Thing, said: Said): void
  /** Whether it is there, also outside a transaction. */
  has(thing: Thing): boolean
  /** Whether it is there; then held, as by keep. */
  hold(thing: Thing, lease: string | undefined): boolean
  /** It is not there any more. */
  gone(thing: Thing): void
  /** For an owner asked by the collector: fails with failed_precondition when something needs it after all. */
  demandUnheld(thing: Thing): void
}

export interface KeepingInit {
  readonly now: () => string
  /** ms that something made under no lease is kept for; a day if left out */
  readonly graceMs?: number | undefined
}

/** As the settings of a node have it: `gc.grace`, in ms. */
export const keepingOf = ({ tables, settings }: { tables: Tables; settings: Settings }): Keeping =>
  openKeeping(tables, { now: () => new Date().toISOString(), graceMs: graceOf(settings) })

type Settings = Readonly<Record<string, string>>

/** The setting `gc.grace`, ms; a day if it is not set. */
export const graceOf = (settings: Settings): number => msOf(settings, 'gc.grace', day)

/** A setting in ms. Fails with invalid_argument. */
export function msOf(settings: Settings, name: string, otherwise: number): number {
  const text = settings[name]
  if (text === undefined) return otherwise
  if (/^[0-9]{1,12}$/.test(text)) return Number(text)
  throw new Failure('invalid_argument', `read setting ${name}: ${JSON.stringify(text)} is not a number of milliseconds`)
}

const day = 86_400_000

export function openKeeping(tables: Tables, { now, graceMs = day }: KeepingInit): Keeping {
  const things = thingTable(tables)
  const leases = openLeases(tables, { now })
  const journal = openJournal(tables)

  /** What is needed is not doomed, nor is what it needs: saving stops at what is not doomed. */
  function save(name: string): void {
    const row = things.get(name)
    if (!row?.doomed) return
    things.put(name, { ...row, doomed: undefined })
    // It stays, whatever becomes of what saved it, and with it what is yet to be doomed and it refers to.
    journal.note(name)
    for (const ref of refsOf(row)) save(ref)
  }

  /** What stays doomed saves nothing. */
  function write(name: string, row: Row, lease?: string): void {
    things.put(name, row)
    journal.note(name, lease)
    if (!row.doomed) for (const ref of refsOf(row)) save(ref)
  }

  function hold(thing: Thing, row: Row, lease: string | undefined): void {
    if (lease !== undefined) leases.hold(lease, thing)
    write(nameOf(thing), { ...row, ...(lease === undefined && { until: untilOf(row) }), doomed: undefined }, lease)
  }

  /** Holding it again never shortens for how long it is held. */
  function untilOf({ until = '' }: Row): string {
    const from = new Date(Date.parse(now()) + graceMs).toISOString()
    return until > from ? until : from
  }

  return {
    keep(thing, { lease, ...said } = {}) {
      hold(thing, merge(things.get(nameOf(thing)) ?? blank, said), lease)
    },
    describe(thing, said) {
      const name = nameOf(thing)
      const before = things.get(name)
      if (!before) return
      const row = merge(before, said)
      write(name, isRootAt(name, row, now()) ? { ...row, doomed: undefined } : row)
    },
    has: (thing) => things.get(nameOf(thing)) !== undefined,
    hold(thing, lease) {
      const row = things.get(nameOf(thing))
      if (row) hold(thing, row, lease)
      return row !== undefined
    },
    gone: (thing) => void things.remove(nameOf(thing)),
    demandUnheld(thing) {
      const row = things.get(nameOf(thing))
      if (row && !row.doomed) throw new Failure('failed_precondition', `collect ${thing.kind} ${thing.key}: something holds it again`)
    },
  }
}

const blank: Row = { refs: [], labelled: [] }

const merge = (row: Row, { refs, labels, size, root }: Said): Row => ({
  ...row,
  ...(refs && { refs: refs.map(nameOf) }),
  ...(labels && readLabels(labels)),
  ...(size !== undefined && { size }),
  ...(root !== undefined && { root }),
})
