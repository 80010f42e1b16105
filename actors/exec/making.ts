import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import type { TaskContext } from '../../machines/task.ts'
import type { Container } from '../../messages/container.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { isAlive } from '../../runtime/alive.ts'
import { endGroupAwaited } from '../../runtime/dying.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountAll, unmount } from '../../runtime/mounts.ts'
import { readAccounts } from './accounts.ts'
import { type Bundle, bundleOf, type Places } from './bundle.ts'
import { removeCgroup } from './cgroups.ts'
import { endMonitors, type Monitored, startMonitor } from './monitor.ts'
import { command, type Oci } from './oci.ts'
import { hostname, runtimeSpec } from './spec.ts'
import { resolveUser } from './user.ts'

/** What a container is made of and by. */
export interface MakeInit {
  readonly container: Container
  readonly mounts: readonly Mount[]
  readonly stdin: boolean
  readonly conmon: string
  /** the name of its cgroup; undefined without cgroups */
  readonly cgroup: string | undefined
}

/** Make a container, up to where it waits to be started. What it leaves when it fails is for {@link unmake}. */
export async function make(
  components: { readonly places: Places; readonly oci: Oci },
  init: MakeInit,
  options: { signal: AbortSignal },
): Promise<Monitored> {
  const { places, oci } = components
  const { container } = init
  const { id, process } = container
  const bundle = bundleOf(places, id)
  const attempted = `create task ${id}`
  try {
    await mkdir(places.bundles, { recursive: true, mode: 0o700 })
    await mkdir(places.runtime, { recursive: true, mode: 0o700 })
    await rm(bundle.exit, { force: true })
    await mkdir(bundle.rootfs, { recursive: true, mode: 0o700 })
    options.signal.throwIfAborted()
    // It stays: until the task is removed, not until this is done.
    await mountAll(init.mounts, bundle.rootfs, options)
    const user = resolveUser(process.user, await readAccounts(bundle.rootfs))
    const files = await hostFiles(bundle, id)
    const machine = { architecture: globalThis.process.arch, openFiles: await openFiles() }
    const spec = runtimeSpec({ id, process, user, readonly: container.readonly, cgroup: init.cgroup, files, ...machine })
    await writeFile(bundle.config, JSON.stringify(spec), { mode: 0o600 })
  } catch (error) {
    options.signal.throwIfAborted()
    throw fromErrno(error, attempted)
  }
  const monitor = { id, bundle, exits: places.exits, terminal: process.terminal, stdin: init.stdin, args: process.args }
  return await startMonitor({ conmon: init.conmon, oci }, monitor, options)
}

/**
 * Take away whatever there is of a container: its processes, its mount, its files. Safe to repeat, and for one half made. Nothing below a mount
 * that cannot be taken away is touched: it is the snapshot's.
 */
export async function unmake(
  components: { readonly places: Places; readonly oci: Oci; readonly cgroup: string | undefined },
  task: TaskContext,
  options: { signal: AbortSignal },
): Promise<void> {
  const { places, oci, cgroup } = components
  const bundle = bundleOf(places, task.id)
  // A conmon that is still creating goes first, or it would make anew what is taken away.
  if (task.monitor === undefined) await endMonitors(bundle, options)
  await command(oci, 'delete', { id: task.id, options: ['--force'] }).catch(ifThere)
  if (task.monitor !== undefined && (await isAlive(task.monitor))) await endGroupAwaited(task.monitor.pid, options)
  try {
    if (cgroup !== undefined) await removeCgroup(cgroup, options)
    await unmount(bundle.rootfs)
    await rmdir(bundle.rootfs).catch(ifPresent)
    await rm(bundle.directory, { recursive: true, force: true })
    await rm(bundle.exit, { force: true })
  } catch (error) {
    throw fromErrno(error, `remove task ${task.id}`)
  }
}

/** Files of this machine that a program expects to find, by their place inside. */
async function hostFiles(bundle: Bundle, id: string): Promise<Record<string, string>> {
  const hosts = await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1 localhost\n::1 localhost\n')
  await writeFile(bundle.hosts, `${hosts.trimEnd()}\n127.0.0.1 ${hostname(id)}\n`, { mode: 0o644 })
  const resolver = await readFile('/etc/resolv.conf').then(
    () => ({ '/etc/resolv.conf': '/etc/resolv.conf' }),
    () => ({}),
  )
  return { '/etc/hosts': bundle.hosts, ...resolver }
}

/** A million, or what this process itself is held to: to give more takes a privilege it may lack. */
async function openFiles(): Promise<number> {
  const [, hard] = /^Max open files +\S+ +(\d+)/m.exec(await readFile('/proc/self/limits', 'utf8')) ?? []
  return Math.min(Number(hard ?? Number.POSITIVE_INFINITY), 1024 * 1024)
}

/** That the runtime knows nothing of it is what was wanted. */
function ifThere(error: unknown): void {
  if (error instanceof Error && 'code' in error && error.code === 'not_found') return
  throw error
}

function ifPresent(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error
}
