import { join } from 'node:path'
import { snapshotMachine } from '../../machines/snapshot.ts'
import type { Handlers } from '../../messages/grammar/index.ts'
import { snapshot } from '../../messages/snapshot.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { openDurability } from '../../runtime/durability.ts'
import type { Home } from '../../runtime/home.ts'
import { keepingOf } from '../../runtime/keeping/keeping.ts'
import { type Records, records } from '../../runtime/records/records.ts'
import { btrfs } from './btrfs.ts'
import { openClaims } from './claims.ts'
import { chooseDrivers } from './drivers.ts'
import { keepInStep } from './kept.ts'
import { life } from './life.ts'
import { native } from './native.ts'
import { overlay } from './overlay.ts'
import { recover } from './recover.ts'
import { infoOf, openSnapshots } from './snapshots.ts'
import { openSweeper } from './sweeper.ts'

/** Snapshots: who they are in records, what they hold in the directories of drivers. Setting `snapshot.driver` names the default driver. */
export async function startSnapshot(home: Home): Promise<AsyncDisposable> {
  const { node, root, bus, tables, outbox, log, settings } = home
  await using scope = new AsyncDisposableStack()
  const directory = (name: string) => join(root, 'snapshots', name)
  const drivers = chooseDrivers([overlay(directory('overlay')), btrfs(directory('btrfs')), native(directory('native'))], {
    configured: settings['snapshot.driver'],
  })
  const { boot } = await thisProcess()
  const now = () => new Date().toISOString()
  const claims = openClaims(tables)
  const keeping = keepingOf(home)
  const sweeper = scope.use(openSweeper({ log }))

  const lives = life({
    driverOf: ({ context }) => {
      const driver = drivers.all.find(({ name }) => name === context.driver)
      if (!driver) throw new Error(`a snapshot of driver ${context.driver}, which this version does not have`)
      return driver
    },
    replaced: (id, by) => snapshots.replaced(id, by),
    discarded: sweeper.sweep,
    now,
    boot,
    log,
  })
  const stored: Records<typeof snapshotMachine> = scope.use(
    records(
      { tables, outbox, log },
      {
        actor: 'snapshot',
        table: 'snapshot',
        machine: snapshotMachine,
        ...lives,
        also(_, record) {
          const claimed = claims.reconcile(record, { stateOf: (id) => stored.get(id)?.value })
          keepInStep(keeping, record, claimed)
          // Not an effect, which would have to be written down as done: after a stop, what is not known to be on disk is found anew.
          if (record.value === 'committed' && claimed.released.length > 0) tables.afterCommit(() => durability.owe([record.id]))
        },
      },
    ),
  )
  const snapshots = openSnapshots({ tables, records: stored, claims, keeping, now })
  const durability = scope.use(
    openDurability(
      { log, sync: async () => void (await Promise.all(drivers.all.map((driver) => driver.sync()))), record: snapshots.settled },
      { what: 'snapshots' },
    ),
  )
  durability.owe(await recover({ tables, records: stored, claims, keeping, drivers: drivers.all, log, boot }))
  for (const driver of drivers.all) sweeper.sweep(driver)
  // Tried now, so that the first pull does not wait for it.
  const trying = drivers.describe()
  scope.defer(async () => void (await Promise.allSettled([trying])))

  const handlers: Handlers<typeof snapshot> = {
    async prepare({ driver: name, ...request }, context) {
      const driver = await drivers.usable(name)
      const made = await snapshots.prepare(driver, { ...request, kind: 'active' }, context)
      return { mounts: driver.mounts(made), target: driver.target(made), driver: driver.name }
    },
    async view({ driver: name, ...request }, context) {
      const driver = await drivers.usable(name)
      const made = await snapshots.prepare(driver, { ...request, kind: 'view' }, context)
      return { mounts: driver.mounts(made), driver: driver.name }
    },
    commit: async ({ driver, ...request }, context) => infoOf(await snapshots.commit(await drivers.find(driver), request, context)),
    async mounts({ key, driver: name }) {
      const driver = await drivers.usable(name)
      return { mounts: driver.mounts(snapshots.mountable(driver, key)), driver: driver.name }
    },
    stat: async ({ key, driver }) => infoOf(snapshots.get(await drivers.find(driver), key)),
    list: async ({ driver, ...request }) => snapshots.list(await drivers.find(driver), request),
    label: async ({ key, labels, driver }, context) => infoOf(await snapshots.label(await drivers.find(driver), { key, labels }, context)),
    usage: async ({ key, driver }, context) => await snapshots.usage(await drivers.find(driver), key, context),
    layer: async ({ key, driver }) => ({ target: snapshots.layer(await drivers.usable(driver), key) }),
    replace: async ({ driver, ...request }, context) => infoOf(await snapshots.replace(await drivers.usable(driver), request, context)),
    async remove({ driver, ...request }, context) {
      await snapshots.remove(await drivers.find(driver), request, context)
      return {}
    },
    async drivers() {
      const described = await drivers.describe()
      return {
        drivers: described.map(({ driver, why }) => ({
          name: driver.name,
          usable: why === undefined,
          ...(why && { code: why.code }),
          why: why?.message ?? `tried, and works${driver.found === undefined ? '' : `: ${driver.found}`}`,
          rebase: driver.rebase,
        })),
      }
    },
  }
  scope.use(await serve(bus, { node, actor: 'snapshot', protocol: snapshot, handlers, log }))
  return scope.move()
}
