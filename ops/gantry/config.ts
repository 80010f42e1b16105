import type { Command } from 'commander'
import { addNodeOptions, configOf } from './node-options.ts'

/** `gantry config`: what `gantry up` with the same options would run with, as JSON. */
export function config(command: Command): void {
  addNodeOptions(command)
  command.action(async () => {
    const { shown } = await import('../node/config.ts')
    process.stdout.write(`${JSON.stringify(shown(await configOf(command)), null, 2)}\n`)
  })
}
