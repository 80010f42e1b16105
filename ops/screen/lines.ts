/** How a pull looks: a pure function of where it stands. */
import type { Step } from '../../messages/pull.ts'
import { roleOf } from '../../messages/words/role.ts'
import { short, size } from '../command/output.ts'
import { printable } from '../command/printable.ts'

/** What is known of a pull by who watches it. */
export interface Progress {
  readonly reference: string
  readonly state: string
  /** in the order they became known */
  readonly steps: readonly Step[]
  readonly elapsedMs: number
  /** digests of what was here before */
  readonly here?: ReadonlySet<string> | undefined
}

/** One line a descriptor with its bar, then elapsed, total and rate; none is wider than `width`. */
export function lines(progress: Progress, width: number): string[] {
  const heading = `${printable(progress.reference)}: ${progress.state}`
  return [heading, ...progress.steps.map((step) => stepLine(step, width)), summary(progress)].map((line) => cut(line, width))
}

/** The last line: elapsed, total, rate, for none of which counts what was here before; then what was unpacked, if anything was. */
export function summary({ steps, elapsedMs, here }: Pick<Progress, 'steps' | 'elapsedMs' | 'here'>): string {
  const sum = (of: (step: Step) => number) => steps.reduce((all, step) => all + of(step), 0)
  const bytes = sum((step) => (step.status === 'exists' || here?.has(step.descriptor.digest) ? 0 : step.offset))
  const seconds = elapsedMs / 1000
  const came = `elapsed ${seconds.toFixed(1)} s   total ${size(bytes)}   ${size(seconds > 0 ? bytes / seconds : 0)}/s`
  const entries = sum((step) => step.entries ?? 0)
  return entries === 0
    ? came
    : `${came}   unpacked ${made(
        sum((step) => step.written ?? 0),
        entries,
      )}`
}

/** A step in words, without a bar: for output that is not a terminal. */
export const plainLine = (step: Step): string =>
  [step.status, roleOf(step.descriptor.mediaType), step.descriptor.digest, step.descriptor.size].join('\t')

function stepLine(step: Step, width: number): string {
  const { descriptor, status } = step
  const name = `${roleOf(descriptor.mediaType).padEnd(8)} ${short(descriptor.digest)}`
  const words = `${name}  ${status.padEnd(statusWidth)}`
  const amounts = amountsOf(step)
  const room = width - words.length - amountsWidth - 4
  const bar = room < 8 ? '' : `  ${barOf(shareDone(step), Math.min(room - 2, 40))}`
  return `${words}${bar}  ${amounts}`
}

const statusWidth = 'downloading'.length
const amountsWidth = '99.9 MiB, 9999 entries'.length

function amountsOf({ status, descriptor, offset, unpacked, written, entries }: Step): string {
  if (status === 'resolved' || status === 'exists' || status === 'done') return size(descriptor.size)
  // how much of it that is, the bar shows
  if (status === 'unpacking' && entries !== undefined) return made(written ?? 0, entries)
  return `${size(status === 'unpacking' ? (unpacked ?? 0) : offset)} / ${size(descriptor.size)}`
}

/** What has been made of layers: bytes and entries. */
const made = (bytes: number, entries: number): string => `${size(bytes)}, ${entries} ${entries === 1 ? 'entry' : 'entries'}`

/** How much of the work the status speaks of is done, 0 to 1. */
function shareDone({ status, descriptor, offset, unpacked }: Step): number {
  if (status === 'done' || status === 'exists') return 1
  if (status === 'resolved') return 0
  const bytes = status === 'unpacking' ? (unpacked ?? 0) : offset
  return descriptor.size === 0 ? 1 : Math.min(1, bytes / descriptor.size)
}

function barOf(share: number, width: number): string {
  const full = Math.floor(share * width)
  const head = full < width && full > 0 ? '>' : ''
  return `[${`${'='.repeat(full - head.length)}${head}`.padEnd(width)}]`
}

const cut = (line: string, width: number): string => (line.length > width ? line.slice(0, Math.max(0, width)) : line)
