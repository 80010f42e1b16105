import type { Command } from 'commander'
import type { node as nodeProtocol } from '../../messages/node.ts'
import { gather } from '../../runtime/bus/gather.ts'
import { type Column, listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { everybody } from './everybody.ts'

/** `gantry health`: how long each thread of each node takes to answer; the exit code says whether all do. */
export function health(command: Command): void {
  command.action(
    asking(async (session) => {
      const { bus, signal, listing: how } = session
      const asked = gather<typeof nodeProtocol, 'health'>(bus, 'node', 'health', {}, { stallMs: patienceMs, signal })
      const { replies, exit } = await everybody(session, asked)
      const rows = replies.flatMap(({ node, reply }) =>
        reply.threads.map(({ name, milliseconds }) => ({ node, thread: name, milliseconds })),
      )
      print(listing(rows, columns, how))
      return exit
    }),
  )
}

/** ms a thread that is busy has */
const patienceMs = 2_000

interface Row {
  readonly node: string
  readonly thread: string
  readonly milliseconds: number
}

const columns: Column<Row>[] = [
  { head: 'NODE', value: ({ node }) => node },
  { head: 'THREAD', value: ({ thread }) => thread },
  { head: 'MS', value: ({ milliseconds }) => milliseconds.toFixed(1) },
]
