import { open, readdir, readFile } from 'node:fs/promises'
import type { Being } from '../../machines/task.ts'
import type { Failure } from '../../messages/grammar/index.ts'
import { livingAt } from '../../runtime/alive.ts'
import { endGroupAwaited } from '../../runtime/dying.ts'
import { endGroup, launch } from '../../runtime/processes.ts'
import type { Bundle, Places } from './bundle.ts'
import { lastLine, type Oci, refusal } from './oci.ts'

export interface MonitorInit {
  readonly id: string
  readonly bundle: Bundle
  readonly exits: Places['exits']
  readonly terminal: boolean
  readonly stdin: boolean
  /** of the container, for what is said when it cannot be made */
  readonly args: readonly string[]
}

/** A container that is made and waits to be started, and the conmon that watches over it. */
export interface Monitored {
  readonly init: Being
  readonly monitor: Being
  /** Resolves when conmon has ended; by then the exit code is in its place, if it ended well. */
  readonly ended: Promise<number>
}

/**
 * Have conmon have the runtime create the container. conmon outlives this process: it holds the container's streams, keeps all output in the log,
 * and leaves the exit code when it ends.
 */
export async function startMonitor(
  components: { readonly conmon: string; readonly oci: Oci },
  init: MonitorInit,
  options: { signal: AbortSignal },
): Promise<Monitored> {
  options.signal.throwIfAborted()
  await using log = await open(init.bundle.monitorLog, 'a', 0o600)
  const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'], _OCI_SYNCPIPE: '3' }
  const launched = await launch(components.conmon, conmonArgs(components.oci, init), { env, log: log.fd })
  const giveUp = () => endGroup(launched.pid)
  options.signal.addEventListener('abort', giveUp, { once: true })
  try {
    const said = await launched.said
    options.signal.throwIfAborted()
    const pid = pidIn(said)
    if (pid === undefined) throw await refusalOf(init, said)
    const [child, monitor] = [await livingAt(pid), await livingAt(launched.pid)]
    // One that ended since has no start to tell: it is known by never being alive.
    return { init: child ?? gone(pid), monitor: monitor ?? gone(launched.pid), ended: launched.ended }
  } finally {
    options.signal.removeEventListener('abort', giveUp)
  }
}

/** End every conmon that works on a bundle, with the runtime it may be waiting for: for when it is not known whether there is one. Resolves when they have ended. */
export async function endMonitors(bundle: Bundle, options: { signal: AbortSignal }): Promise<void> {
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    const at = args.indexOf('--bundle')
    if (at > 0 && args[at + 1] === bundle.directory && args.includes('--exit-dir')) await endGroupAwaited(Number(pid), options)
  }
}

function conmonArgs(oci: Oci, { id, bundle, exits, terminal, stdin }: MonitorInit): string[] {
  const forRuntime = [...oci.args, `--log=${bundle.runtimeLog}`, '--log-format=json']
  return [
    '--sync',
    ...['--cid', id, '--cuuid', id, '--name', id],
    ...['--runtime', oci.program, ...forRuntime.flatMap((arg) => ['--runtime-arg', arg])],
    ...['--bundle', bundle.directory],
    ...['--container-pidfile', `${bundle.directory}/pid`],
    ...['--exit-dir', exits],
    ...['--log-path', `k8s-file:${bundle.log}`, '--no-sync-log', '--log-level', 'error'],
    // Its socket lies in the bundle, however long the path.
    '--full-attach',
    ...(stdin ? ['--stdin'] : []),
    // A terminal outlives who types at it, and so does its input.
    ...(terminal ? ['--terminal', '--leave-stdin-open'] : []),
  ]
}

/** conmon says `{"pid": n}` when the runtime has created it, `{"pid": -1, "message": …}` when it has not. */
function pidIn(said: string): number | undefined {
  const { pid } = parse(said)
  return typeof pid === 'number' && pid > 0 ? pid : undefined
}

async function refusalOf({ id, bundle, args }: MonitorInit, said: string): Promise<Failure> {
  const attempted = `create task ${id}`
  const fromRuntime = lastLine(await readFile(bundle.runtimeLog, 'utf8').catch(() => ''))
  const { message } = parse(said)
  const reason =
    fromRuntime ||
    (typeof message === 'string' ? lastLine(message) : '') ||
    lastLine(await readFile(bundle.monitorLog, 'utf8').catch(() => ''))
  return refusal(attempted, reason, args)
}

function parse(said: string): { pid?: unknown; message?: unknown } {
  try {
    return JSON.parse(said)
  } catch {
    return {}
  }
}

const gone = (pid: number): Being => ({ pid, started: '', boot: '' })
