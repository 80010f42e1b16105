/**
 * What a user has of overlay who is root in a user namespace only: run there, with a root directory of that user's. Layers are written through mounts and applied from
 * archives, in order and each on its own; what is seen of them goes to stdout, as JSON.
 */
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSnapshot } from '../../../actors/snapshot/actor.ts'
import { apply } from '../../../actors/unpack/apply.ts'
import type { snapshot, Target } from '../../../messages/snapshot.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Home } from '../../../runtime/home.ts'
import { mountAll, mountedUnder } from '../../../runtime/mounts.ts'
import { llistxattr } from '../../../runtime/syscalls/index.ts'
import { openTables } from '../../../runtime/tables.ts'
import { archive, directory, file } from '../../support/layers.ts'

const [root = ''] = process.argv.slice(2)
const nothing = () => {}
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
await using stack = new AsyncDisposableStack()
const bus = stack.use(memoryBus())
const tables = stack.use(await openTables(join(root, 'meta')))
const outbox: Home['outbox'] = { put: nothing, empty: async () => {}, [Symbol.asyncDispose]: async () => {} }
stack.use(await startSnapshot({ node: 'n1', root, bus, tables, outbox, log, settings: { 'snapshot.driver': 'overlay' } }))
const ask = client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' })
const place = join(root, 'at')
await mkdir(place)

const { drivers } = await ask.drivers({})
await written()
await applied()
const seen = {
  driver: drivers[0],
  written: await look('w3', async () => ({
    names: (await readdir(place)).toSorted(),
    hidden: await readdir(join(place, 'hidden')),
    moved: await readFile(join(place, 'moved'), 'utf8'),
    mode: ((await stat(join(place, 'kept'))).mode & 0o7777).toString(8),
  })),
  applied: await look('a2', async () => ({ names: await readdir(join(place, 'd')), hidden: await readdir(join(place, 'd/hidden')) })),
  marks: await marksOf('a2'),
  refused: await ask.view({ key: 'v', parent: 'a2' }).then(({ mounts }) =>
    shown(mounts, () =>
      writeFile(join(place, 'x'), '').then(
        () => 'nothing',
        (error: { code: string }) => error.code,
      ),
    ),
  ),
  usage: (await ask.usage({ key: 'w1' })).inodes,
  mounted: (await mountedUnder(root)).length,
}
process.stdout.write(JSON.stringify(seen))

/** Three layers, each on the one before, all of them written through mounts. */
async function written(): Promise<void> {
  await layer('w1', undefined, async () => {
    for (const name of ['kept', 'gone', 'old']) await writeFile(join(place, name), name)
    await mkdir(join(place, 'hidden'))
    await writeFile(join(place, 'hidden/old'), '')
  })
  await layer('w2', 'w1', async () => {
    await rm(join(place, 'gone'))
    await rm(join(place, 'hidden'), { recursive: true })
    await mkdir(join(place, 'hidden'))
    await writeFile(join(place, 'hidden/new'), '')
    await rename(join(place, 'old'), join(place, 'moved'))
  })
  await layer('w3', 'w2', () => chmod(join(place, 'kept'), 0o640))
}

/** Two layers, both without a parent until they are committed, the second with a deletion and a directory that hides. */
async function applied(): Promise<void> {
  const [lower, upper] = [await ask.prepare({ key: 'a-1' }), await ask.prepare({ key: 'a-2' })]
  await applyTo(
    upper.target,
    archive(directory('d/'), file('d/.wh.gone'), directory('d/hidden/'), file('d/hidden/.wh..wh..opq'), file('d/hidden/new')),
  )
  await applyTo(lower.target, archive(directory('d/'), file('d/gone'), file('d/kept'), directory('d/hidden/'), file('d/hidden/old')))
  await ask.commit({ key: 'a-1', name: 'a1' })
  await ask.commit({ key: 'a-2', name: 'a2', parent: 'a1' })
}

async function applyTo(target: Target, bytes: Buffer): Promise<void> {
  if (target.kind !== 'directory') throw new Error('it is applied to a mount')
  const blob = join(root, 'blob')
  await writeFile(blob, bytes)
  async function* growth() {
    yield { path: blob, offset: bytes.length, complete: true }
  }
  await apply({ ...target, growth: growth(), size: bytes.length }, { signal: new AbortController().signal })
}

async function layer(name: string, parent: string | undefined, work: () => Promise<unknown>): Promise<void> {
  const { mounts } = await ask.prepare({ key: `to-be-${name}`, ...(parent !== undefined && { parent }) })
  await shown(mounts, work)
  await ask.commit({ key: `to-be-${name}`, name })
}

async function look<T>(name: string, work: () => Promise<T>): Promise<T> {
  const { mounts } = await ask.view({ key: 'look', parent: name })
  try {
    return await shown(mounts, work)
  } finally {
    await ask.remove({ key: 'look' })
  }
}

async function shown<T>(mounts: Parameters<typeof mountAll>[0], work: () => Promise<T>): Promise<T> {
  await using _mounted = await mountAll(mounts, place)
  return await work()
}

/** How the kernel is told that a directory hides what is below it. */
async function marksOf(name: string): Promise<string[]> {
  const { target } = await ask.layer({ key: name })
  return target.kind === 'directory' ? llistxattr(join(target.path, 'd/hidden')) : []
}
