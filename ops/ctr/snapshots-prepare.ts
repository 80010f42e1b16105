import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { labelsOf } from '../command/labels.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { printMounts } from './print-mounts.ts'

interface PrepareOptions extends DriverOptions {
  readonly target?: string
  readonly label?: string[]
  readonly lease?: string
}

/** Some drivers copy the whole parent. */
const patienceMs = 600_000

/** `ctr snapshots prepare [--target DIR] KEY [PARENT]`: make a writable snapshot; prints the command line that mounts it. */
export function snapshotsPrepare(command: Command): void {
  addOptions(command.argument('<key>', 'for the snapshot').argument('[parent]', 'name of a committed one; empty if left out')).action(
    asking<PrepareOptions>(async ({ ask, listing }, { args: [key = '', parent], options }) => {
      const request = { key, ...(parent !== undefined && { parent }), ...requestOf(options) }
      const made = await ask<typeof snapshot>('snapshot').prepare(request, { timeoutMs: patienceMs })
      printMounts(made, { target: options.target, listing })
    }),
  )
}

/** `ctr snapshots view [--target DIR] KEY PARENT`: make a read-only snapshot; prints the command line that mounts it. */
export function snapshotsView(command: Command): void {
  addOptions(command.argument('<key>', 'for the view').argument('<parent>', 'name of a committed snapshot')).action(
    asking<PrepareOptions>(async ({ ask, listing }, { args: [key = '', parent = ''], options }) => {
      const made = await ask<typeof snapshot>('snapshot').view({ key, parent, ...requestOf(options) }, { timeoutMs: patienceMs })
      printMounts(made, { target: options.target, listing })
    }),
  )
}

const addOptions = (command: Command): Command =>
  addDriver(command)
    .option('--target <directory>', 'to mount it at, in what is printed')
    .option('--label <key=value>', 'may be repeated', (value: string, all: string[] = []) => [...all, value])
    .option('--lease <id>', 'holds it; without one it is kept for a day')

const requestOf = ({ label, lease, ...options }: PrepareOptions) => ({
  ...driverOf(options),
  ...(label !== undefined && { labels: labelsOf(label) }),
  ...(lease !== undefined && { lease }),
})
