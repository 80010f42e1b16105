import type { Command } from 'commander'
import type { NodeInfo, node as nodeProtocol } from '../../messages/node.ts'
import { gather } from '../../runtime/bus/gather.ts'
import { milliseconds } from '../command/globals.ts'
import { labelsText } from '../command/labels.ts'
import { ago, type Column, listing, print, size } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { everybody } from './everybody.ts'

/** `gantry nodes`: every node that answers; one that is there and does not is named on standard error. All that is known of them is told by `--json`. */
export function nodes(command: Command): void {
  command.option('--wait <duration>', 'how long after one answer to wait for another', milliseconds, 500).action(
    asking<{ wait: number }>(async (session, { options: { wait } }) => {
      const { bus, signal, listing: how } = session
      const { replies, exit } = await everybody(
        session,
        gather<typeof nodeProtocol, 'info'>(bus, 'node', 'info', {}, { stallMs: wait, signal }),
      )
      const found = replies.map(({ reply }) => reply)
      print(listing(found, how.terminal ? narrow(found) : columns, how))
      return exit
    }),
  )
}

const columns: Column<NodeInfo>[] = [
  { head: 'NODE', value: ({ node }) => node },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'VERSION', value: ({ version }) => version },
  { head: 'PLATFORM', value: ({ platform }) => `${platform.os}/${platform.architecture}` },
  { head: 'BLOBS', value: ({ blobs }) => blobs.count },
  { head: 'SIZE', value: ({ blobs }) => blobs.size, shown: ({ blobs }) => size(blobs.size) },
  { head: 'DRIVERS', value: ({ drivers }) => drivers.join(',') },
  { head: 'SINCE', value: ({ since }) => since, shown: ({ since }) => ago(since) },
  { head: 'LABELS', value: ({ labels }) => labelsText(labels) },
]

/** Widest line for people. */
const widest = 120
const leastLabels = 'LABELS'.length

/** The columns, with as much of the labels as there is room for. */
export function narrow(found: readonly NodeInfo[]): Column<NodeInfo>[] {
  const others = columns.slice(0, -1)
  const taken = Math.max(0, ...listing(found, others, { json: false, terminal: true }).map((line) => line.length))
  const room = Math.max(leastLabels, widest - taken - 2)
  const cut = (text: string) => (text.length > room ? `${text.slice(0, room - 1)}…` : text)
  return [...others, { head: 'LABELS', value: ({ labels }) => cut(labelsText(labels)) || '-' }]
}
