import type { Command } from 'commander'
import type { node } from '../../messages/node.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `gantry drain`: have the node take nothing new; what it began goes on, and others may still read from it. */
export function drain(command: Command): void {
  command.option('--undo', 'take new things again').action(
    asking<{ undo?: true }>(async ({ ask, listing: { json } }, { options: { undo = false } }) => {
      const info = await ask<typeof node>('node').drain({ undo })
      print([json ? JSON.stringify(info) : `${info.node} ${info.state}`])
    }),
  )
}
