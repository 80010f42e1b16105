import type { Command } from 'commander'
import type { NodeInfo, node as nodeProtocol } from '../../messages/node.ts'
import { gather } from '../../runtime/bus/gather.ts'
import { complain } from '../command/complain.ts'
import { milliseconds } from '../command/globals.ts'
import { ago, type Column, listing, print, size } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `gantry nodes`: every node that answers. */
export function nodes(command: Command): void {
  command.option('--wait <duration>', 'how long after one answer to wait for another', milliseconds, 300).action(
    asking<{ wait: number }>(async ({ bus, signal, listing: how }, { options }) => {
      const found: NodeInfo[] = []
      let exit = 0
      for await (const answer of gather<typeof nodeProtocol, 'info'>(bus, 'node', 'info', {}, { stallMs: options.wait, signal })) {
        if ('reply' in answer) found.push(answer.reply)
        else exit = complain('gantry', answer.failure)
      }
      found.sort((one, other) => one.node.localeCompare(other.node))
      print(listing(found, columns, how))
      return exit
    }),
  )
}

const columns: Column<NodeInfo>[] = [
  { head: 'NODE', value: ({ node }) => node },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'VERSION', value: ({ version }) => version },
  { head: 'PLATFORM', value: ({ platform }) => `${platform.os}/${platform.architecture}` },
  { head: 'NATS', value: ({ server }) => server },
  { head: 'BLOBS', value: ({ blobs }) => blobs.count },
  { head: 'SIZE', value: ({ blobs }) => blobs.size, shown: ({ blobs }) => size(blobs.size) },
  { head: 'DRIVERS', value: ({ drivers }) => drivers.join(',') },
  { head: 'LABELS', value: ({ labels }) => labelled(labels) },
  { head: 'MEMORY', value: ({ memory }) => memory, shown: ({ memory }) => size(memory) },
  { head: 'PID', value: ({ pid }) => pid },
  { head: 'ROOT', value: ({ root }) => root },
  { head: 'SINCE', value: ({ since }) => since, shown: ({ since }) => ago(since) },
]

const labelled = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map((pair) => pair.join('='))
    .join(',')
