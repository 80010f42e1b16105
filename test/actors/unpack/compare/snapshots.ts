/** A node that has what it takes to compare snapshots: content, leases, snapshots of one driver, one thread that unpacks. */
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { startLease } from '../../../../actors/lease/actor.ts'
import { startSnapshot } from '../../../../actors/snapshot/actor.ts'
import { startUnpack } from '../../../../actors/unpack/actor.ts'
import { startUnpackWorker } from '../../../../actors/unpack/worker.ts'
import type { Client } from '../../../../messages/grammar/index.ts'
import type { lease } from '../../../../messages/lease.ts'
import type { Mount, snapshot } from '../../../../messages/snapshot.ts'
import type { Applied, Compared, unpack } from '../../../../messages/unpack.ts'
import { client } from '../../../../runtime/bus/client.ts'
import { mountAll } from '../../../../runtime/mounts.ts'
import { type Store, startStore } from '../../../support/content.ts'
import { openLoop } from '../../../support/loop.ts'

export interface Comparing extends AsyncDisposable {
  readonly store: Store
  readonly unpack: Client<typeof unpack>
  readonly snapshot: Client<typeof snapshot>
  readonly lease: Client<typeof lease>
  /** Prepare a snapshot, and do something in it. */
  prepare(key: string, parent: string | undefined, work?: (at: string) => unknown): Promise<void>
  /** The same, and commit it. */
  layer(name: string, parent: string | undefined, work?: (at: string) => unknown): Promise<void>
  /** Do something where mounts are mounted. */
  at<T>(mounts: readonly Mount[], work: (at: string) => T | Promise<T>): Promise<T>
  /** Do something where a committed snapshot can be seen. */
  look<T>(name: string, work: (at: string) => T | Promise<T>): Promise<T>
  compare(request: Parameters<Client<typeof unpack>['compare']>[0]): Promise<Compared>
  /** Apply a layer on top of a snapshot, and commit that. */
  apply(name: string, parent: string | undefined, made: Compared): Promise<void>
  /** the bytes of a layer */
  bytes(digest: string): Promise<Buffer>
}

export async function startComparing(driver: string): Promise<Comparing> {
  await using stack = new AsyncDisposableStack()
  const root = driver === 'btrfs' ? join(stack.use(await openLoop('btrfs')).path, 'node') : undefined
  const store = stack.use(await startStore(root === undefined ? {} : { root }))
  const home = { ...store.home, settings: { ...store.home.settings, 'snapshot.driver': driver } }
  stack.use(await startLease(home))
  stack.use(await startSnapshot(home))
  stack.use(await startUnpackWorker(home, { actor: 'unpack-0' }))
  stack.use(await startUnpack(home, { workers: ['unpack-0'] }))
  const asked = { node: 'n1' }
  const snapshots = client<typeof snapshot>(home.bus, { ...asked, actor: 'snapshot' })
  const unpacks = client<typeof unpack>(home.bus, { ...asked, actor: 'unpack' })
  const places = join(home.root, 'places')
  mkdirSync(places)
  const scope = stack.move()
  let looks = 0
  const one: Comparing = {
    store,
    unpack: unpacks,
    snapshot: snapshots,
    lease: client<typeof lease>(home.bus, { ...asked, actor: 'lease' }),
    async at(mounts, work) {
      const at = mkdtempSync(join(places, 'at-'))
      try {
        await using _ = await mountAll(mounts, at)
        return await work(at)
      } finally {
        rmdirSync(at)
      }
    },
    async prepare(key, parent, work = () => {}) {
      const { mounts } = await snapshots.prepare({ key, ...(parent !== undefined && { parent }) })
      await one.at(mounts, work)
    },
    async layer(name, parent, work) {
      await one.prepare(`making-${name}`, parent, work)
      await snapshots.commit({ key: `making-${name}`, name })
    },
    async look(name, work) {
      const key = `look-${looks++}`
      const { mounts } = await snapshots.view({ key, parent: name })
      try {
        return await one.at(mounts, work)
      } finally {
        await snapshots.remove({ key })
      }
    },
    compare: async (request) => (await lastOf(unpacks.compare(request))) as Compared,
    async apply(name, parent, { descriptor, diffId }) {
      const key = `applying-${name}`
      const { target } = await snapshots.prepare({ key, ...(parent !== undefined && { parent }) })
      const { implied } = (await lastOf(unpacks.apply({ descriptor, target, expected: diffId }))) as Applied
      await snapshots.commit({ key, name, ...(target.kind === 'directory' && parent === undefined && { implied }) })
    },
    async bytes(digest) {
      const { size } = await store.content.info({ digest })
      const parts: Uint8Array[] = []
      for (let offset = 0; offset < size; ) {
        const { bytes } = await store.content.read({ digest, offset })
        parts.push(bytes)
        offset += bytes.length
      }
      return Buffer.concat(parts)
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
  return one
}

export async function lastOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  let last: T | undefined
  for await (const item of items) last = item
  return last
}
