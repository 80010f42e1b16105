import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { destination } from '../command/destination.ts'
import { benchNode } from './gantry.ts'
import type { SnapshotStore } from './snapshots-store.ts'

/** A node as `gantry up` runs it, asked over its NATS server. */
export async function gantrySnapshots(options: { scratch: string }): Promise<SnapshotStore> {
  await using stack = new AsyncDisposableStack()
  const { root } = stack.use(await benchNode(options))
  const { nats, subjects, node } = await destination({ root }, {})
  const bus = stack.use(await connectNats(nats, { root: subjects, name: 'bench' }))
  const ask = client<typeof snapshot>(bus, { node, actor: 'snapshot' }, { timeoutMs: 60_000 })
  const { drivers } = await ask.drivers({})
  const scope = stack.move()
  return {
    root,
    drivers: new Map(drivers.filter(({ usable }) => usable).map(({ name }) => [name, name])),
    prepare: async (driver, key, parent) => (await ask.prepare({ driver, key, ...(parent !== undefined && { parent }) })).mounts,
    view: async (driver, key, parent) => (await ask.view({ driver, key, parent })).mounts,
    mounts: async (driver, key) => (await ask.mounts({ driver, key })).mounts,
    commit: async (driver, key, name) => void (await ask.commit({ driver, key, name })),
    remove: async (driver, key) => void (await ask.remove({ driver, key })),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
