import { execFileSync } from 'node:child_process'
import { chmod, copyFile, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { startContainer } from '../../actors/container/actor.ts'
import { startExec } from '../../actors/exec/actor.ts'
import { probeCgroups } from '../../actors/exec/cgroups.ts'
import type { container } from '../../messages/container.ts'
import { content } from '../../messages/content.ts'
import type { exec } from '../../messages/exec.ts'
import { type Client, Failure, type Handlers, type Log, type Protocol } from '../../messages/grammar/index.ts'
import { type Image, image } from '../../messages/image.ts'
import { type Mount, snapshot } from '../../messages/snapshot.ts'
import { chainIds, type Labels } from '../../messages/words/index.ts'
import { digestOf } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { memoryBus } from '../../runtime/bus/memory.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { mountedUnder, unmount } from '../../runtime/mounts.ts'
import type { Told } from '../../runtime/records/outbox.ts'
import { openTables } from '../../runtime/tables.ts'
import { tempDirectory } from './temp.ts'

/** A node with only what runs containers: container and exec are real, on real mounts and runtimes; image, content and snapshot are played. */
export interface Room extends AsyncDisposable {
  readonly home: Home
  readonly container: Client<typeof container>
  readonly exec: Client<typeof exec>
  /** what went into the outbox, in order, committed */
  readonly told: readonly Told[]
  /** keys of the snapshots that are there */
  readonly snapshots: ReadonlyMap<string, { parent: string | undefined; labels: Labels }>
  /** Make and start a container that runs `sh -c script`, or `args`; resolves with its id. */
  start(script: string | readonly string[], options?: StartOptions): Promise<string>
  /** Everything it wrote, once it has ended. */
  output(id: string): Promise<{ stdout: string; stderr: string; bytes: Buffer }>
  /** How it ended. */
  exitCode(id: string): Promise<number | undefined>
  /** Stop the exec actor without a word and start another on the same records. */
  restart(options?: { meanwhile?: () => Promise<void> }): Promise<void>
}

interface StartOptions {
  readonly id?: string
  readonly stdin?: boolean
  readonly terminal?: boolean
  readonly env?: string[]
  readonly cwd?: string
  readonly user?: string
  readonly readonly?: boolean
}

export interface RoomInit {
  /** of the node; a directory of its own that goes with it, if left out */
  readonly root?: string
  /** setting `exec.runtime` */
  readonly runtime?: string
  /** the image's config, over a plain one */
  readonly config?: Readonly<Record<string, unknown>>
  /** the bytes of the whole config, to be hostile with */
  readonly rawConfig?: string
  /** more files of the image: content by path, a link when it begins with `->` */
  readonly files?: Readonly<Record<string, string>>
  /** what becomes of the mounts the snapshot actor answers with */
  readonly mounts?: (mounts: Mount[]) => Mount[]
}

/** The reference of the one image that is here. */
export const reference = 'registry.test/library/busybox:latest'

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const diffId = digestOf(Buffer.from('busybox'))

export async function openRoom(init: RoomInit = {}): Promise<Room> {
  await using stack = new AsyncDisposableStack()
  const root = init.root ?? stack.use(await tempDirectory()).path
  stack.defer(() => leave(root))
  const bus = stack.use(memoryBus())
  const tables = stack.use(await openTables(join(root, 'meta')))
  const told: Told[] = []
  const outbox: Home['outbox'] = {
    put: (one) => tables.afterCommit(() => told.push(one)),
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const settings: Record<string, string> = init.runtime ? { 'exec.runtime': init.runtime } : {}
  const home: Home = { node: 'n1', root, bus, tables, outbox, log: silent, settings }
  const lower = await makeRoot(join(root, 'image'), init.files)
  const snapshots = new Map<string, { parent: string | undefined; labels: Labels }>()
  for (const played of [playImage(init), playContent(init), playSnapshots({ ...init, lower, snapshots, root })]) {
    stack.use(await serve(bus, { node: 'n1', log: silent, ...played }))
  }
  stack.use(await startContainer(home))
  let execActor = await startExec(home)
  stack.defer(() => execActor[Symbol.asyncDispose]())
  const asks = {
    container: client<typeof container>(bus, { node: 'n1', actor: 'container' }),
    exec: client<typeof exec>(bus, { node: 'n1', actor: 'exec' }),
  }
  const scope = stack.move()
  let count = 0

  const room: Room = {
    home,
    ...asks,
    told,
    snapshots,
    async start(script, options = {}) {
      const { id = `c${++count}`, stdin = false, ...rest } = options
      const args = typeof script === 'string' ? ['sh', '-c', script] : [...script]
      await asks.container.create({ id, image: reference, args, ...rest })
      await asks.exec.create({ id, stdin })
      await asks.exec.start({ id })
      return id
    },
    async output(id) {
      const parts: { stream: string; bytes: Uint8Array }[] = []
      for await (const item of asks.exec.attach({ id })) parts.push(item)
      const of = (stream: string) => Buffer.concat(parts.filter((part) => part.stream === stream).map(({ bytes }) => bytes))
      return { stdout: of('stdout').toString(), stderr: of('stderr').toString(), bytes: of('stdout') }
    },
    async exitCode(id) {
      let code: number | undefined
      for await (const task of asks.exec.wait({ id })) code = task.exitCode
      return code
    },
    async restart({ meanwhile } = {}) {
      await execActor[Symbol.asyncDispose]()
      await meanwhile?.()
      execActor = await startExec(home)
    },
    async [Symbol.asyncDispose]() {
      for (const { id, state } of (await asks.exec.list({})).tasks) {
        if (state === 'running' || state === 'paused') {
          await asks.exec.kill({ id, signal: 'KILL' }).catch(() => {})
          await room.exitCode(id)
        }
        await asks.exec.remove({ id }).catch(() => {})
      }
      await scope.disposeAsync()
    },
  }
  return room
}

/** The OCI runtimes this machine has, by name and path; crun through a door of its own where the machine's cgroups are not to its taste. */
export async function runtimesHere(): Promise<{ name: string; path: string }[]> {
  const { crunRefuses } = await probeCgroups()
  const found = ['crun', 'runc'].flatMap((name) => {
    try {
      return [
        { name, path: execFileSync('which', [name], { env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }, encoding: 'utf8' }).trim() },
      ]
    } catch {
      return []
    }
  })
  return await Promise.all(
    found.map(async ({ name, path }) => ({ name, path: name === 'crun' && crunRefuses ? await crunBehindDoor(path) : path })),
  )
}

/** crun with the cgroup v2 beside v1 out of its sight. It has no other way to be told. */
async function crunBehindDoor(path: string): Promise<string> {
  const door = join(import.meta.dirname, '../../node_modules/.cache/gantry-test/crun')
  const text = `#!/bin/sh\nexec unshare -m --propagation slave sh -c 'umount /sys/fs/cgroup/unified; exec ${path} "$@"' crun "$@"\n`
  if ((await readFile(door, 'utf8').catch(() => '')) === text) return door
  await mkdir(dirname(door), { recursive: true })
  // Another test file may be running the one that is there.
  const made = `${door}.${process.pid}`
  await writeFile(made, text)
  await chmod(made, 0o755)
  await rename(made, door)
  return door
}

type Played = { actor: string; protocol: Protocol; handlers: Handlers<Protocol> }

const play = <P extends Protocol>(actor: string, protocol: P, handlers: Partial<Handlers<P>>): Played => ({
  actor,
  protocol,
  handlers: handlers as unknown as Handlers<Protocol>,
})

const configOf = ({ config, rawConfig }: RoomInit): Buffer =>
  Buffer.from(rawConfig ?? JSON.stringify({ config: { Env: ['PATH=/bin'], ...config }, rootfs: { type: 'layers', diff_ids: [diffId] } }))

function playImage(init: RoomInit): Played {
  const bytes = configOf(init)
  const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(bytes), size: bytes.length }
  const now = new Date().toISOString()
  const here: Image = {
    name: reference,
    target: descriptor,
    manifest: descriptor,
    config: descriptor,
    platform: { os: 'linux', architecture: 'amd64' },
    size: bytes.length,
    parts: [],
    labels: {},
    createdAt: now,
    updatedAt: now,
  }
  return play('image', image, {
    get({ name }) {
      if (name !== reference) throw new Failure('not_found', `no image ${name}`)
      return here
    },
  })
}

function playContent(init: RoomInit): Played {
  const bytes = configOf(init)
  return play('content', content, {
    read: ({ offset, length }) => ({ bytes: bytes.subarray(offset, offset + length), size: bytes.length }),
  })
}

interface SnapshotsInit extends RoomInit {
  readonly lower: string
  readonly root: string
  readonly snapshots: Map<string, { parent: string | undefined; labels: Labels }>
}

function playSnapshots({ lower, root, snapshots, mounts: change = (mounts) => mounts }: SnapshotsInit): Played {
  const mountsOf = async (key: string): Promise<Mount[]> => {
    const [upper, work] = [join(root, 'snapshots', key, 'fs'), join(root, 'snapshots', key, 'work')]
    await mkdir(upper, { recursive: true })
    await mkdir(work, { recursive: true })
    return change([{ type: 'overlay', source: 'overlay', options: [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`] }])
  }
  return play('snapshot', snapshot, {
    async prepare({ key, parent, labels = {} }) {
      if (snapshots.has(key)) throw new Failure('already_exists', `snapshot ${key} is there`)
      if (parent !== chainIds([diffId])[0]) throw new Failure('not_found', `no parent ${parent}`)
      snapshots.set(key, { parent, labels })
      return { mounts: await mountsOf(key), target: { kind: 'mount', mounts: [] }, driver: 'overlay' }
    },
    mounts: async ({ key }) => ({ mounts: await mountsOf(key), driver: 'overlay' }),
    stat({ key }) {
      const found = snapshots.get(key)
      if (!found) throw new Failure('not_found', `no snapshot ${key}`)
      const now = new Date().toISOString()
      return { key, kind: 'active', driver: 'overlay', labels: found.labels, createdAt: now, updatedAt: now, durable: false }
    },
    remove({ key }) {
      if (!snapshots.delete(key)) throw new Failure('not_found', `no snapshot ${key}`)
      return {}
    },
  })
}

const accounts: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nredis:x:100:101:Redis:/data:/bin/false\n',
  'etc/group': 'root:x:0:\nredis:x:101:\nssl-cert:x:102:redis\nother:x:103:root\n',
}

/** busybox, as an image would have it. */
async function makeRoot(directory: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  if ((await readdir(directory).catch(() => [])).length > 0) return directory
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) await mkdir(join(directory, name), { recursive: true })
  await copyFile('/bin/busybox', join(directory, 'bin/busybox'))
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n')
  for (const applet of applets.filter((name) => name !== 'busybox')) await symlink('busybox', join(directory, 'bin', applet))
  for (const [path, text] of Object.entries({ ...accounts, ...files })) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    if (text.startsWith('->')) await symlink(text.slice(2), join(directory, path))
    else await writeFile(join(directory, path), text)
  }
  return directory
}

/** What a failed test left mounted would otherwise be deleted through. */
async function leave(root: string): Promise<void> {
  for (const { at } of await mountedUnder(root)) await unmount(at)
}

/** Living processes whose command line mentions a path. */
export async function processesOf(path: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(path))
}
