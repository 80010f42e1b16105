import { isFailure } from '../../messages/grammar/index.ts'
import type { Thing } from '../../messages/words/index.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Claimed } from './claims.ts'
import type { Snapshot } from './record.ts'

/** A snapshot as something that is kept. */
export const thingOf = (driver: string, key: string): Thing => ({ kind: 'snapshot', key: `${driver}/${key}` })

/**
 * Inside the transaction that changed `record`: say of it what is kept. It is there under its key from the first write, and under its name, in place of the key, once committed; a
 * name that is only claimed by a commit under way is nothing to hold yet, but the parent it is to have is.
 */
export function keepInStep(keeping: Keeping, record: Snapshot, { taken, released }: Claimed): void {
  const { value, context } = record
  const { driver, key, labels } = context
  const said = { refs: refsOf(record), labels }
  for (const one of released) keeping.gone(thingOf(driver, one))
  if (value === 'preparing' && taken.length > 0) keeping.keep(thingOf(driver, key), { ...said, lease: context.lease })
  else if (value === 'committed' && released.length > 0) keepCommitted(keeping, record, said)
  else if (value !== 'removing' && value !== 'removed') keeping.describe(thingOf(driver, key), said)
}

/** What it refers to: the parent it has, or is about to have. */
function refsOf({ context: { driver, parent, commitment } }: Snapshot): Thing[] {
  const ground = commitment ? commitment.parent : parent
  return ground === undefined ? [] : [thingOf(driver, ground)]
}

/** Its directories are frozen already: a lease that ended meanwhile cannot undo that, and it is kept as one made under none. */
function keepCommitted(keeping: Keeping, { context: { driver, key, lease } }: Snapshot, said: { refs: Thing[] }): void {
  const thing = thingOf(driver, key)
  try {
    keeping.keep(thing, { ...said, lease })
  } catch (error) {
    if (lease === undefined || !isFailure(error, 'not_found')) throw error
    keeping.keep(thing, said)
  }
}

/** Say of a snapshot that was made before such things were written down that it is there. */
export function keepFound(keeping: Keeping, record: Snapshot): void {
  const { driver, key, labels } = record.context
  const thing = thingOf(driver, key)
  if (record.value !== 'removing' && !keeping.has(thing)) keeping.keep(thing, { refs: refsOf(record), labels })
}
