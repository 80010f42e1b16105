import type { Command } from 'commander'
import type { node } from '../../messages/node.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `gantry drain [--undo] [NODE…]`: have nodes take nothing new; what they began goes on, and others may still read from them. */
export function drain(command: Command): void {
  command
    .argument('[nodes...]', 'by name; the one that is asked anyway if left out')
    .option('--undo', 'take new things again')
    .action(
      asking<{ undo?: true }>(async (session, { args, options: { undo = false } }) => {
        const { ask, listing } = session
        return await each('gantry', args.length > 0 ? args : [session.node], async (name) => {
          const info = await ask<typeof node>('node', name).drain({ undo })
          print([listing.json ? JSON.stringify(info) : `${info.node}\t${info.state}`])
        })
      }),
    )
}
