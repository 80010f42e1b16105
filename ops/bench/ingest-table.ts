import type { Ingested, IngestsMeasured } from './ingest.ts'
import type { IngestLimits } from './ingest-limits.ts'
import { spread } from './measure.ts'

/** As Markdown: medians of runs with least and most. `each` is the median of a run's ingests, from question to answer. */
export function ingestTable({ runs, limits }: IngestsMeasured): string {
  const rows = limits.flatMap((limit) => {
    const here = runs.filter(({ size }) => size === limit.size)
    return [...Map.groupBy(here, ({ at, who, way }) => `${at} ${who} ${way}`).values()].toSorted(byAt).map(row).concat(limitRow(limit))
  })
  return ['| blob | at once | who | a second | ms each | MB/s | a second, on disk |', '|---|---|---|---|---|---|---|', ...rows].join('\n')
}

const byAt = (one: readonly Ingested[], other: readonly Ingested[]): number => (one[0]?.at ?? 0) - (other[0]?.at ?? 0)

function row(runs: readonly Ingested[]): string {
  const [first] = runs
  if (!first) return ''
  const { who, way, size, at } = first
  const rate = range(runs.map(({ count, wallMs }) => (count / wallMs) * 1000))
  const each = range(runs.map(({ eachMs }) => spread(eachMs).median))
  const bytes = range(runs.map(({ count, wallMs }) => (count * size) / wallMs / 1000))
  const durable = range(runs.map(({ count, durableMs }) => (count / durableMs) * 1000))
  return `| ${sized(size)} | ${at} | ${who}, ${way} | ${rate} | ${each} | ${bytes} | ${durable} |`
}

function limitRow({ size, hash, write, durable, fsync }: IngestLimits): string {
  const ms = [
    `hash ${shown(hash)}`,
    `write ${shown(write)}`,
    `with a sync at the end ${shown(durable)}`,
    `with an fsync each ${shown(fsync)}`,
  ]
  return `| ${sized(size)} | 1 | limits, ms each | | ${ms.join(', ')} | | |`
}

function range(values: readonly number[]): string {
  const { median, min, max } = spread(values)
  return `${shown(median)} (${shown(min)}–${shown(max)})`
}

/** Three figures. */
const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

const sized = (bytes: number): string => (bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`)
