import type { Command } from 'commander'
import { isFailure, subject } from '../../messages/grammar/index.ts'
import type { NodeInfo } from '../../messages/node.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { replyOf } from '../../runtime/bus/headers.ts'
import { milliseconds } from '../command/globals.ts'
import { ago, type Column, listing, print, size } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `gantry nodes`: every node that answers. */
export function nodes(command: Command): void {
  command.option('--wait <duration>', 'how long after one answer to wait for another', milliseconds, 300).action(
    asking<{ wait: number }>(async ({ bus, signal, listing: how }, { options }) => {
      const found: NodeInfo[] = []
      for await (const info of answers(bus, { timeoutMs: options.wait, signal })) found.push(info)
      found.sort((one, other) => one.node.localeCompare(other.node))
      print(listing(found, columns, how))
    }),
  )
}

/** Nobody knows how many nodes there are: the answers are over when no more come. */
async function* answers(bus: Bus, sending: { timeoutMs: number; signal: AbortSignal }): AsyncGenerator<NodeInfo> {
  const packet = { headers: {}, payload: new Uint8Array() }
  try {
    for await (const reply of bus.requestMany(subject(bus.root, 'all', 'node', 'info'), packet, sending)) yield replyOf(reply) as NodeInfo
  } catch (error) {
    if (!isFailure(error, 'deadline_exceeded')) throw error
  }
}

const columns: Column<NodeInfo>[] = [
  { head: 'NODE', value: ({ node }) => node },
  { head: 'VERSION', value: ({ version }) => version },
  { head: 'PLATFORM', value: ({ platform }) => `${platform.os}/${platform.architecture}` },
  { head: 'NATS', value: ({ server }) => server },
  { head: 'MEMORY', value: ({ memory }) => memory, shown: ({ memory }) => size(memory) },
  { head: 'PID', value: ({ pid }) => pid },
  { head: 'ROOT', value: ({ root }) => root },
  { head: 'SINCE', value: ({ since }) => since, shown: ({ since }) => ago(since) },
]
