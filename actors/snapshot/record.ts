import type { snapshotMachine } from '../../machines/snapshot.ts'
import type { Stored } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Driver, Layer } from './driver.ts'

/** A snapshot as stored, under the driver's name and the layer's id. */
export type Snapshot = Stored<typeof snapshotMachine>

/** Id of the record of a driver's layer. */
export const recordId = (driver: string, layer: string): string => `${driver}/${layer}`

/** Id of the layer, as its driver knows it. */
export const layerId = (record: string): string => record.slice(record.indexOf('/') + 1)

/** A snapshot as its driver sees it. */
export const layerOf = ({ id, context: { kind, ancestors } }: Snapshot): Layer => ({ id: layerId(id), kind, ancestors })

/**
 * New ids for layers, counted up for each driver and never given twice: what is left of a removed one cannot be taken for another. They are reserved many at
 * once, which spares most prepares a write; those a process does not come to are skipped.
 */
export function openIds(tables: Tables): (driver: Driver) => Promise<string> {
  const counter = tables.table<number>('snapshot.count')
  const reserved = new Map<string, { next: number; end: number }>()
  return async ({ name }) => {
    let block = reserved.get(name)
    if (!block || block.next === block.end) {
      const first = await tables.transaction(() => {
        const last = counter.get(name) ?? 0
        counter.put(name, last + together)
        return last + 1
      })
      block = { next: first, end: first + together }
      reserved.set(name, block)
    }
    return String(block.next++)
  }
}

const together = 32
