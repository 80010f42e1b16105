import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** What one run took: wall and processor time in ms, the peak of resident memory in bytes. */
export interface Run {
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakBytes: number
}

/** How a pull is measured. */
export interface PullOptions {
  /** where roots are made */
  readonly scratch: string
  /** another image, pulled before and not counted, so that the daemon is not at its very first steps */
  readonly first?: string | undefined
}

/** Several runs as their median, least and most. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[Math.max(0, Math.min(sorted.length - 1, index))] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) }
}

/** Linux counts processor time in hundredths of a second. */
const tickMs = 10

/** Processor time a process has used, ms; with `reaped`, that of its ended children instead. */
export function cpuOf(pid: number | 'self', options: { reaped?: boolean } = {}): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user, system] = options.reaped ? [fields[13], fields[14]] : [fields[11], fields[12]]
  return ((user ?? 0) + (system ?? 0)) * tickMs
}

/** Most memory a process ever had resident, bytes. */
export function peakOf(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

/**
 * Run a command to its end and say how long it took, its own processor time included, beside what `servers` used and held meanwhile. Throws when it fails. Commands must
 * not run at the same time: the kernel adds up the time of children that have ended.
 */
export async function timed(
  command: string,
  args: readonly string[],
  options: { servers?: readonly number[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Run> {
  const servers = options.servers ?? []
  const total = () => cpuOf('self', { reaped: true }) + servers.reduce((sum, pid) => sum + cpuOf(pid), 0)
  const before = total()
  const began = performance.now()
  await run(command, args, options.env ? { env: options.env } : {})
  const wallMs = performance.now() - began
  return { wallMs, cpuMs: total() - before, peakBytes: servers.reduce((sum, pid) => sum + peakOf(pid), 0) }
}

/** Run a command to its end, its output thrown away; its last words are in the error when it fails. */
export async function run(command: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...(options.env && { env: options.env }) })
  let said = ''
  child.stderr.on('data', (piece: Buffer) => {
    said = (said + piece.toString()).slice(-2000)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}: ${said.trim()}`)
}

/**
 * Make the machine's memory real: a virtual machine is given its pages when it first touches them, and whoever runs first would pay for that.
 */
export async function warmMemory(bytes: number): Promise<void> {
  const touch = `const piece = 64 * 2 ** 20; const kept = []; for (let i = 0; i < ${bytes}; i += piece) kept.push(Buffer.alloc(piece, 1))`
  await run(process.execPath, ['-e', touch])
}
