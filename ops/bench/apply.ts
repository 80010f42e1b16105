import { execFile } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipDecoders } from '../../runtime/decompress/index.ts'
import { cpuOf, run, type Spread, spread, timed } from './measure.ts'

/** One way of applying a layer, ms; ours says how long it took without the start of its process. */
export interface AppliedRow {
  readonly blob: string
  readonly who: string
  readonly wall: Spread
  readonly cpu: Spread
  readonly entries: number
  readonly bytes: number
  /** system calls an entry, the start of the process included; unknown without strace, or of others */
  readonly calls?: number | undefined
}

interface Said {
  readonly ms: number
  readonly entries: number
  readonly bytes: number
}

/** Apply each layer with every decoder of gzip that is here, and with tar, in turns. */
export async function measureApply(blobs: readonly string[], options: { runs: number; scratch: string }): Promise<AppliedRow[]> {
  const rows: AppliedRow[] = []
  for (const blob of blobs) for (const { name } of gzipDecoders()) rows.push(await ours(blob, name, options))
  for (const blob of blobs) {
    const alike = rows.find((row) => row.blob === blob)
    if (alike) rows.push(await tar(alike, options))
  }
  return rows
}

async function ours(blob: string, decoder: string, { runs, scratch }: { runs: number; scratch: string }): Promise<AppliedRow> {
  const told: (Said & { cpuMs: number })[] = []
  for (let i = 0; i < runs; i++) told.push(await applyOnce(blob, decoder, scratch))
  const { entries, bytes } = told[0] ?? { entries: 0, bytes: 0 }
  const [wall, cpu] = [spread(told.map(({ ms }) => ms)), spread(told.map(({ cpuMs }) => cpuMs))]
  return { blob, who: `gantry, ${decoder}`, wall, cpu, entries, bytes, calls: await callsOf(blob, decoder, { scratch, entries }) }
}

const command = async (blob: string, decoder: string, scratch: string): Promise<string[]> => [
  '--v8-pool-size=1',
  fileURLToPath(import.meta.resolve('./apply-process.ts')),
  blob,
  await mkdtemp(join(scratch, 'apply-')),
  decoder,
]

async function applyOnce(blob: string, decoder: string, scratch: string): Promise<Said & { cpuMs: number }> {
  const before = cpuOf('self', { reaped: true })
  const { stdout } = await promisify(execFile)(process.execPath, await command(blob, decoder, scratch))
  return { ...(JSON.parse(stdout) as Said), cpuMs: cpuOf('self', { reaped: true }) - before }
}

async function callsOf(
  blob: string,
  decoder: string,
  { scratch, entries }: { scratch: string; entries: number },
): Promise<number | undefined> {
  const counted = join(await mkdtemp(join(scratch, 'strace-')), 'calls')
  try {
    await run('strace', ['-f', '-c', '-o', counted, process.execPath, ...(await command(blob, decoder, scratch))])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const total = /^100\.00\s+\S+\s+\S+\s+(\d+).*total$/m.exec(await readFile(counted, 'utf8'))
  return total ? Number(total[1]) / entries : undefined
}

async function tar({ blob, entries, bytes }: AppliedRow, { runs, scratch }: { runs: number; scratch: string }): Promise<AppliedRow> {
  const taken = []
  for (let i = 0; i < runs; i++) taken.push(await timed('tar', ['-xzf', blob, '-C', await mkdtemp(join(scratch, 'tar-'))]))
  const [wall, cpu] = [spread(taken.map(({ wallMs }) => wallMs)), spread(taken.map(({ cpuMs }) => cpuMs))]
  return { blob, who: 'tar -xzf', wall, cpu, entries, bytes }
}

/** As Markdown: rates are of medians. */
export function applyTable(rows: readonly AppliedRow[]): string {
  const range = ({ median, min, max }: Spread): string =>
    [median, min, max]
      .map((ms) => (ms / 1000).toFixed(2))
      .join(' ')
      .replace(/ (.*) (.*)/, ' ($1–$2)')
  const lines = rows.map(({ blob, who, wall, cpu, entries, bytes, calls }) => {
    const rates = `${Math.round((entries * 1000) / wall.median)} | ${Math.round(bytes / 1000 / wall.median)}`
    return `| ${blob.slice(-64, -52)} | ${who} | ${range(wall)} | ${range(cpu)} | ${rates} | ${calls?.toFixed(1) ?? ''} |`
  })
  return [
    '| layer | who | wall s | processor s | entries/s | MB/s | system calls an entry |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}
