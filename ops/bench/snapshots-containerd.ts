import { join } from 'node:path'
import { type Client, credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Mount } from '../../messages/snapshot.ts'
import { benchContainerd } from './containerd.ts'
import type { SnapshotStore } from './snapshots-store.ts'

/** Kept, though nothing refers to it: its collector would take it away between two questions. */
const labels = { 'containerd.io/gc.root': '1' }

/** Containerd's snapshot service, asked over gRPC on its socket. */
export async function containerdSnapshots(options: { scratch: string }): Promise<SnapshotStore> {
  await using stack = new AsyncDisposableStack()
  const { root, address } = stack.use(await benchContainerd(options))
  const Snapshots = snapshotService()
  const service = stack.adopt(new Snapshots(`unix:${address}`, credentials.createInsecure()), (one) => one.close())
  const ask = asking(service)
  const mountsOf = async (answer: Promise<unknown>) => ((await answer) as { mounts: Mount[] }).mounts
  const scope = stack.move()
  return {
    root,
    drivers: new Map([
      ['overlay', 'overlayfs'],
      ['native', 'native'],
    ]),
    prepare: (snapshotter, key, parent = '') => mountsOf(ask('Prepare', { snapshotter, key, parent, labels })),
    view: (snapshotter, key, parent) => mountsOf(ask('View', { snapshotter, key, parent, labels })),
    mounts: (snapshotter, key) => mountsOf(ask('Mounts', { snapshotter, key })),
    commit: async (snapshotter, key, name) => void (await ask('Commit', { snapshotter, key, name, labels })),
    remove: async (snapshotter, key) => void (await ask('Remove', { snapshotter, key })),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

type Call = (request: object, metadata: Metadata, done: (error: Error | null, answer: unknown) => void) => void

function asking(service: Client): (call: string, request: object) => Promise<unknown> {
  const calls = service as unknown as Readonly<Record<string, Call>>
  const namespace = new Metadata()
  namespace.set('containerd-namespace', 'bench')
  return async (call, request) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    calls[call]?.(request, namespace, (error, answer) => (error ? reject(error) : resolve(answer)))
    return await promise
  }
}

function snapshotService(): ServiceClientConstructor {
  const definition = loadSync(join(import.meta.dirname, 'containerd-snapshots.proto'), { keepCase: true })
  const loaded = loadPackageDefinition(definition) as unknown as {
    containerd: { services: { snapshots: { v1: { Snapshots: ServiceClientConstructor } } } }
  }
  return loaded.containerd.services.snapshots.v1.Snapshots
}
