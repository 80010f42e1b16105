import type { Command } from 'commander'
import type { SnapshotInfo, snapshot } from '../../messages/snapshot.ts'
import { print, short } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, everySnapshot } from '../command/snapshots.ts'
import { type Branch, draw, grow } from '../command/tree.ts'

/** `ctr snapshots tree`: the snapshots of a driver, each below its parent. With `--json` a line for each that has none, what stands on it inside. */
export function snapshotsTree(command: Command): void {
  addDriver(command).action(
    asking<DriverOptions>(async ({ ask, listing: { json, terminal } }, { options }) => {
      const found = await everySnapshot(ask<typeof snapshot>('snapshot'), options)
      const roots = grow(found, { keyOf: ({ key }) => key, parentOf: ({ parent }) => parent })
      const textOf = ({ key, kind }: SnapshotInfo) => printable(`${terminal ? short(key) : key}${kind === 'committed' ? '' : ` (${kind})`}`)
      print(json ? roots.map((root) => JSON.stringify(nested(root))) : draw(roots, textOf))
    }),
  )
}

const nested = ({ thing: { key, kind }, children }: Branch<SnapshotInfo>): unknown => ({ key, kind, children: children.map(nested) })
