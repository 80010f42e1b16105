import { spread } from './measure.ts'
import { type Lived, steps } from './snapshots.ts'

/** As Markdown: of each step the median of all lives of a run in ms; of runs the median, least and most. */
export function snapshotsTable(lived: readonly Lived[]): string {
  const rows = [...Map.groupBy(lived, ({ driver, who }) => `${driver} | ${who}`)]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(row)
  return [
    `| driver | who | ${steps.join(' | ')} | lives a second, 8 at once |`,
    `|---|---|${'---|'.repeat(steps.length + 1)}`,
    ...rows,
  ].join('\n')
}

function row([head, runs]: [string, readonly Lived[]]): string {
  const each = steps.map((step) => range(runs.map(({ ms }) => spread(ms[step]).median)))
  return `| ${head} | ${each.join(' | ')} | ${range(runs.map(({ rate }) => rate))} |`
}

function range(values: readonly number[]): string {
  const { median, min, max } = spread(values)
  return `${shown(median)} (${shown(min)}–${shown(max)})`
}

/** Three figures. */
const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
