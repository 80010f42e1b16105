import type { Limits } from './limits.ts'
import { type Run, spread } from './measure.ts'

/** All that was measured of one image. `peer` is empty when there is no containerd. */
export interface Measured {
  readonly reference: string
  readonly ours: readonly (Run & { nodePeakBytes: number })[]
  readonly peer: readonly Run[]
  readonly limits: Limits
}

const seconds = (ms: number) => (ms / 1000).toFixed(2)
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)
const range = (values: readonly number[], show: (value: number) => string) => {
  const { median, min, max } = spread(values)
  return `${show(median)} (${show(min)}–${show(max)})`
}

/** The ratio of medians of wall time, ours to theirs. */
export const ratio = ({ ours, peer }: Measured): number =>
  spread(ours.map((run) => run.wallMs)).median / spread(peer.map((run) => run.wallMs)).median

/** As Markdown: medians with least and most; times in s, memory in MB. The head names the peer. */
export function table(measured: readonly Measured[], peer: string | undefined): string {
  const rows = measured.flatMap((one) => {
    const row = (who: string, runs: readonly Run[], more: string) =>
      `| ${one.reference} | ${who} | ${range(
        runs.map((run) => run.wallMs),
        seconds,
      )} | ${range(
        runs.map((run) => run.cpuMs),
        seconds,
      )} | ${range(
        runs.map((run) => run.peakBytes),
        megabytes,
      )} | ${more} |`
    const node = `node alone ${range(
      one.ours.map((run) => run.nodePeakBytes),
      megabytes,
    )} MB`
    const ours = row('gantry', one.ours, one.peer.length ? `**${ratio(one).toFixed(2)} ×** containerd; ${node}` : node)
    const { read, hash, inflate, untar } = one.limits
    const limits = `| ${one.reference} | limits, one after the other | | | | read ${seconds(read)}, hash ${seconds(hash)}, inflate ${seconds(inflate)}, untar ${seconds(untar)} |`
    return one.peer.length ? [ours, row('containerd', one.peer, ''), limits] : [ours, limits]
  })
  const head = peer ? [`Beside ${peer}:`, ''] : []
  return [...head, '| image | who | wall s | processor s | peak MB | |', '|---|---|---|---|---|---|', ...rows].join('\n')
}
