import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { lease } from '../../messages/lease.ts'
import type { Mount, snapshot } from '../../messages/snapshot.ts'
import { directoryHere } from '../command/directory.ts'
import { fullName } from '../command/full-name.ts'
import { chainOf } from '../command/image-chain.ts'
import { countMounts, mountToStay } from '../command/mounting.ts'
import { print } from '../command/output.ts'
import { platformOf } from '../command/platform.ts'
import { asking, type Session } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { leaseOf } from './image-mounts.ts'

interface MountOptions extends DriverOptions {
  readonly rw?: boolean
  readonly platform?: string
}

/**
 * `ctr images mount [--rw] REF TARGET`: show the files of an image at a directory of this machine, to look at or to write to; prints the directory. It stays until
 * `ctr images unmount`, and what was written until that is said `--rm`: till then it can be mounted there again.
 */
export function imagesMount(command: Command): void {
  addDriver(command.argument('<reference>', 'an image that is here, and unpacked').argument('<target>', 'directory nothing is mounted at'))
    .option('--rw', 'have it writable')
    .option('--platform <os/architecture>', 'that the image was brought for if left out')
    .action(
      asking<MountOptions>(async (session, { args: [reference = '', target = ''], options }) => {
        const name = fullName(reference)
        const attempted = `mount image ${name}`
        const key = await directoryHere(session, target, attempted)
        if ((await countMounts(key)) > 0) throw new Failure('failed_precondition', `${attempted}: something is mounted at ${key} already`)
        const parent = await unpacked(session, { name, attempted, platform: options.platform })
        const mounted = await mountSnapshot(session, { name, key, parent, rw: options.rw ?? false, driver: options.driver })
        print([session.listing.json ? JSON.stringify({ target: key, ...mounted }) : key])
      }),
    )
}

/** The name of the snapshot with what an image shows. */
async function unpacked(
  session: Session,
  { name, attempted, platform }: { name: string; attempted: string; platform?: string | undefined },
): Promise<string> {
  const { ask, signal } = session
  const found = await ask<typeof image>('image').get({ name })
  const chain = await chainOf(ask<typeof content>('content'), found, { ...(await platformOf(platform, attempted)), signal })
  if (chain === undefined) throw new Failure('failed_precondition', `${attempted}: it has no layers`)
  return chain
}

interface Mounting extends DriverOptions {
  readonly name: string
  /** of the snapshot: the directory */
  readonly key: string
  readonly parent: string
  readonly rw: boolean
}

/** Make the snapshot, and mount it. When that fails, what was made for it is taken away again. */
async function mountSnapshot(session: Session, mounting: Mounting): Promise<Found> {
  await using undo = new AsyncDisposableStack()
  await holdLease(session, mounting, undo)
  const found = (await make(session, mounting, undo)) ?? (await findLeft(session, mounting))
  await session.ask<typeof lease>('lease').renew({ id: leaseOf(mounting.key), seconds: 0 })
  await mountToStay(found.mounts, mounting.key, session)
  undo.move()
  return found
}

interface Found {
  readonly driver: string
  readonly mounts: Mount[]
}

/** What was given up is taken away all the same. */
const undoing = { signal: undefined, timeoutMs: 30_000 }
/** Some drivers copy all of it. */
const patient = { timeoutMs: 600_000 }

/** What went wrong first is what is said; and what is left without its lease is collected. */
const quietly = async (work: PromiseLike<unknown>): Promise<void> => {
  await Promise.allSettled([work])
}

/** s that what a command that was killed was about to mount stays; once it can be mounted, it is held for ever */
const makingSeconds = 1200

/** The lease may be there from before. */
async function holdLease({ ask }: Session, { name, key }: Mounting, undo: AsyncDisposableStack): Promise<void> {
  const leases = ask<typeof lease>('lease')
  const id = leaseOf(key)
  try {
    await leases.create({ id, seconds: makingSeconds, labels: { 'gantry.image': name, 'gantry.target': key } })
  } catch (error) {
    if (isFailure(error, 'already_exists')) return
    // an answer that did not come may have been that it was made
    await quietly(leases.remove({ id }, undoing))
    throw error
  }
  undo.defer(() => quietly(leases.remove({ id }, undoing)))
}

/** Undefined when there is a snapshot of this key. */
async function make({ ask }: Session, { name, key, parent, rw, driver }: Mounting, undo: AsyncDisposableStack): Promise<Found | undefined> {
  const snapshots = ask<typeof snapshot>('snapshot')
  const request = { key, ...driverOf({ driver }) }
  const wanted = { ...request, parent, lease: leaseOf(key) }
  let ours = true
  undo.defer(async () => {
    if (ours) await quietly(snapshots.remove(request, undoing))
  })
  try {
    return await (rw ? snapshots.prepare(wanted, patient) : snapshots.view(wanted, patient))
  } catch (error) {
    if (isFailure(error, 'not_found')) {
      const how = driver === undefined ? '' : ` --driver ${driver}`
      throw new Failure('failed_precondition', `mount image ${name}: it is not unpacked; say dist unpack${how} ${name}`, { cause: error })
    }
    ours = !isFailure(error, 'already_exists')
    if (ours) throw error
    return undefined
  }
}

/** The snapshot that was left when it was unmounted last: with what was written to it. Fails with already_exists when it is another image's, or of the other kind. */
async function findLeft({ ask }: Session, { name, key, parent, rw, driver }: Mounting): Promise<Found> {
  const snapshots = ask<typeof snapshot>('snapshot')
  const request = { key, ...driverOf({ driver }) }
  const there = await snapshots.stat(request)
  if (there.parent !== parent || there.kind !== (rw ? 'active' : 'view'))
    throw new Failure(
      'already_exists',
      `mount image ${name}: what was mounted at ${key} before is kept; say ctr images unmount --rm ${key}`,
    )
  const things = [{ kind: 'snapshot' as const, key: `${there.driver}/${key}` }]
  await ask<typeof lease>('lease').add({ id: leaseOf(key), things })
  return await snapshots.mounts(request)
}
