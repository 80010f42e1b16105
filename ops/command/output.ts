import { printable } from './printable.ts'

/** One column of a listing: its head, and what a row has there for programs (`value`) and, where that differs, for people (`shown`). */
export interface Column<Row> {
  readonly head: string
  readonly value: (row: Row) => string | number | undefined
  readonly shown?: (row: Row) => string
}

export interface Listing {
  /** a line of JSON a row */
  readonly json: boolean
  /** a table with heads; else values separated by tabs, without heads */
  readonly terminal: boolean
}

/** The lines of a listing. */
export function listing<Row>(rows: readonly Row[], columns: readonly Column<Row>[], { json, terminal }: Listing): string[] {
  if (json) return rows.map((row) => JSON.stringify(row))
  if (!terminal) return rows.map((row) => columns.map((column) => printable(String(column.value(row) ?? ''))).join('\t'))
  const heads = columns.map(({ head }) => head)
  const cells = rows.map((row) => columns.map((column) => printable(column.shown?.(row) ?? String(column.value(row) ?? '-'))))
  const widths = heads.map((head, at) => Math.max(head.length, ...cells.map((line) => line[at]?.length ?? 0)))
  return [heads, ...cells].map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** Write lines to standard output. */
export const print = (lines: readonly string[]): void => {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size for people: three digits that matter. */
export function size(bytes: number): string {
  let value = bytes
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`
}

/** How long ago, for people: one unit. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  for (const [unit, length] of spans) if (seconds >= length) return `${Math.floor(seconds / length)}${unit} ago`
  return 'now'
}

const spans = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

/** The first digits of a digest: enough to tell it from others by eye. */
export const short = (digest: string): string => digest.replace(/^([a-z0-9]+:[0-9a-f]{12})[0-9a-f]+$/, '$1')
