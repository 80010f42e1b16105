import type { Capped } from './cluster-capped.ts'
import type { Flat } from './cluster-flat.ts'
import type { Reads } from './cluster-reads.ts'
import type { Asked } from './cluster-tags.ts'
import type { Wave } from './cluster-waves.ts'
import { spread } from './measure.ts'

const seconds = (ms: number): string => (ms / 1000).toFixed(2)
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
const gigabyte = 1e9

/** W1, as Markdown: seconds of each node; of processor time and bus bytes, how much a GB of image delivered to a node. */
export function wavesTable(waves: readonly Wave[]): string {
  const rows = waves.map(({ bytes, layers, wave, nodes, ms, origin, image, peers, cpuMs, bus, peakBytes }) => {
    const { min, median, max } = spread(ms)
    const mean = ms.reduce((sum, one) => sum + one, 0) / ms.length
    const delivered = (image * nodes) / gigabyte
    const each = (value: number): string => (value / delivered / gigabyte).toFixed(2)
    return line(
      `${megabytes(bytes)} MB in ${layers}`,
      `${wave} ${nodes}`,
      [min, median, mean, max].map(seconds).join(' / '),
      (origin / image).toFixed(3),
      megabytes(peers),
      (cpuMs / 1000 / delivered).toFixed(1),
      `${each(bus.in)} / ${each(bus.out)}`,
      megabytes(peakBytes),
    )
  })
  const head = [
    'image',
    'wave, nodes',
    'min / p50 / mean / max s',
    'origin ÷ image',
    'between nodes MB',
    'CPU-s a GB',
    'bus bytes a byte, in / out',
  ]
  return table([...head, 'peak of a node MB'], rows)
}

export function cappedTable(rows: readonly Capped[]): string {
  return table(
    ['100 MB in 1, 10 MB/s a connection', 'min / max s', 'goal s', 'origin ÷ image', 'requests'],
    rows.map(({ how, ms, goalMs, origin, image, requests }) =>
      line(
        how,
        `${seconds(Math.min(...ms))} / ${seconds(Math.max(...ms))}`,
        goalMs === undefined ? '' : `${seconds(goalMs)}: ${Math.max(...ms) <= goalMs ? 'met' : 'missed'}`,
        (origin / image).toFixed(3),
        String(requests),
      ),
    ),
  )
}

export function flatTable(rows: readonly Flat[]): string {
  return table(
    ['nodes at once', 'origin ÷ image', 'requests', 'max s'],
    rows.map(({ nodes, origin, image, requests, ms }) => line(String(nodes), (origin / image).toFixed(3), String(requests), seconds(ms))),
  )
}

export function readsTable(rows: readonly Reads[]): string {
  return table(
    ['reads of 1 MiB at once', 'right', 'failed', 's', 'MB/s', 'CPU-s a GB'],
    rows.map(({ count, right, failed, ms, cpuMs }) => {
      const bytes = right * 1024 * 1024
      return line(
        String(count),
        String(right),
        String(failed),
        seconds(ms),
        (bytes / ms / 1e3).toFixed(0),
        (cpuMs / 1000 / (bytes / gigabyte)).toFixed(1),
      )
    }),
  )
}

export function tagsTable(rows: readonly Asked[]): string {
  return table(
    ['asked of all nodes at once', 'requests for the tag', 'answers', 'what it stands for now', 'what it stood for', 'said to be stale'],
    rows.map(({ how, requests, answers, fresh, old, stale }) => line(how, ...[requests, answers, fresh, old, stale].map(String))),
  )
}

const line = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`

const table = (head: readonly string[], rows: readonly string[]): string =>
  [line(...head), line(...head.map(() => '---')), ...rows].join('\n')
