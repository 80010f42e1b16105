/** How one pull on many nodes looks: a pure function of where each stands. */
import { size } from '../command/output.ts'
import { printable } from '../command/printable.ts'

/** Where the bytes of blobs came from. */
export interface Sources {
  /** the registry */
  readonly origin: number
  /** by node */
  readonly peers: Readonly<Record<string, number>>
}

/** Where one node stands. What it had before counts for nothing here. */
export interface NodeProgress {
  readonly node: string
  readonly state: string
  readonly bytes: number
  readonly total: number
  readonly elapsedMs: number
  readonly sources: Sources
}

/** A heading and a line a node; none is wider than `width`. */
export function nodeLines(reference: string, nodes: readonly NodeProgress[], width: number): string[] {
  const done = nodes.filter(({ state }) => state === 'done').length
  const widest = Math.max(0, ...nodes.map(({ node }) => node.length))
  const heading = `${printable(reference)}: ${done} of ${nodes.length} nodes have it`
  return [heading, ...nodes.map((one) => lineOf(one, widest))].map((line) =>
    line.length > width ? line.slice(0, Math.max(0, width)) : line,
  )
}

/** The same for output that is not a terminal. */
export const plainNodeLine = ({ node, state, bytes, total, sources }: NodeProgress): string =>
  [node, state, bytes, total, sourcesText(sources, String)].map((cell) => printable(String(cell))).join('\t')

function lineOf({ node, state, bytes, total, elapsedMs, sources }: NodeProgress, widest: number): string {
  const rate = elapsedMs > 0 ? bytes / (elapsedMs / 1000) : 0
  const from = sourcesText(sources, size)
  const amounts = `${size(bytes)} / ${size(total)}`.padEnd('999 MiB / 999 MiB'.length)
  return `${node.padEnd(widest)}  ${state.padEnd('recording'.length)}  ${amounts}  ${`${size(rate)}/s`.padStart('999 MiB/s'.length)}  ${from && `from ${from}`}`.trimEnd()
}

/** Nodes that are named; of more only how many there are. */
const named = 3

/** `registry 12 MiB, n2 30 MiB`: the largest first; empty when nothing came. */
function sourcesText({ origin, peers }: Sources, amount: (bytes: number) => string): string {
  const all = Object.entries(peers)
    .filter(([, bytes]) => bytes > 0)
    .toSorted(([, one], [, other]) => other - one)
  const rest = all.slice(named)
  const restBytes = rest.reduce((sum, [, bytes]) => sum + bytes, 0)
  return [
    ...(origin > 0 ? [`registry ${amount(origin)}`] : []),
    ...all.slice(0, named).map(([node, bytes]) => `${node} ${amount(bytes)}`),
    ...(rest.length > 0 ? [`${rest.length} more nodes ${amount(restBytes)}`] : []),
  ].join(', ')
}
