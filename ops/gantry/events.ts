import type { Command } from 'commander'
import type { Envelope } from '../../runtime/bus/envelope.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { print } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking } from '../command/session.ts'

interface EventsOptions {
  readonly actor?: string
}

/** `gantry events`: facts as they are told, by every node unless one is named. */
export function events(command: Command): void {
  command.option('--actor <name>', 'only what this actor tells').action(
    asking<EventsOptions>(async ({ bus, signal, listing: { json } }, { options }) => {
      await using heard = listen(bus, { node: options.node, actor: options.actor }, { signal })
      await heard.ready
      for await (const event of heard) print([json ? JSON.stringify(event) : line(event)])
    }),
  )
}

/** Time, node, what happened to what, and the rest as JSON. */
function line({ time, source, type, subject = '', data }: Envelope): string {
  return printable([time, source, type, subject, JSON.stringify(data)].join('\t').replaceAll('\t', '  '))
}
