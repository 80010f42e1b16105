import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { countMounts, unmountAt } from '../command/mounting.ts'
import { print } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { absentIsFine, leaseHolding, leaseOf } from './image-mounts.ts'

interface UnmountOptions extends DriverOptions {
  readonly rm?: boolean
}

/**
 * `ctr images unmount [--rm] TARGET`: take away what `ctr images mount` mounted at a directory, and with `--rm` its snapshot and what was written to it; prints the
 * directory. What was mounted by anybody else is left alone.
 */
export function imagesUnmount(command: Command): void {
  addDriver(command.argument('<target>', 'directory an image was mounted at'))
    .option('--rm', 'remove the snapshot too, with what was written to it')
    .action(
      asking<UnmountOptions>(async (session, { args: [directory = ''], options: { rm = false, driver } }) => {
        const target = await realpath(directory).catch(() => resolve(directory))
        const attempted = `unmount ${target}`
        const known = await madeFor(session, target, driver)
        if (known === undefined) throw new Failure('not_found', `${attempted}: no image is mounted there by ctr images mount`)
        await takeAway(target, { attempted, most: known.mounts, needed: !rm })
        if (rm) await forget(session, { target, driver: known.driver })
        print([session.listing.json ? JSON.stringify({ target, ...known, removed: rm }) : target])
      }),
    )
}

interface Known {
  /** of the snapshot, if there is one still */
  readonly driver?: string
  /** how many mounts it has */
  readonly mounts: number
}

/** What was made for a directory. */
async function madeFor({ ask }: Session, target: string, driver: string | undefined): Promise<Known | undefined> {
  const held = await leaseHolding(ask<typeof lease>('lease'), target)
  try {
    const request = { key: target, ...driverOf({ driver: driver ?? held?.driver }) }
    const found = await ask<typeof snapshot>('snapshot').mounts(request)
    return { driver: found.driver, mounts: found.mounts.length }
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
    return held && { mounts: 1 }
  }
}

async function takeAway(target: string, { attempted, most, needed }: { attempted: string; most: number; needed: boolean }): Promise<void> {
  const there = await countMounts(target)
  if (there > most) throw new Failure('failed_precondition', `${attempted}: something else is mounted over the image there`)
  if (there === 0 && needed) throw new Failure('not_found', `${attempted}: nothing is mounted there; --rm removes what is kept of it`)
  await unmountAt(target)
}

async function forget({ ask }: Session, { target, driver }: { target: string; driver?: string | undefined }): Promise<void> {
  if (driver !== undefined) await absentIsFine(ask<typeof snapshot>('snapshot').remove({ key: target, driver }))
  await absentIsFine(ask<typeof lease>('lease').remove({ id: leaseOf(target) }))
}
