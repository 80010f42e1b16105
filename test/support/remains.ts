/** What a node leaves behind: nothing, when all is well. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ingest } from '../../messages/ingest.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { mountedUnder } from '../../runtime/mounts.ts'
import type { RunningNode } from './node.ts'

/**
 * Of a node that runs: mounts below its root, snapshots that are not committed, ingests (`partial`: those somebody holds), directories no snapshot has,
 * processes that are neither the node nor its NATS server.
 */
export async function remains(node: RunningNode, { partial = false } = {}): Promise<string[]> {
  await using bus = await node.connect()
  const { ingests } = await client<typeof ingest>(bus, { node: node.name, actor: 'ingest' }).list({})
  const asked = client<typeof snapshot>(bus, { node: node.name, actor: 'snapshot' })
  const left = [
    ...(await mountsUnder(node.root)),
    ...ingests.filter(({ holder }) => holder || !partial).map(({ reference }) => `ingest ${reference}`),
  ]
  for (const driver of ['overlay', 'btrfs', 'native']) {
    const { snapshots } = await asked.list({ driver })
    const committed = snapshots.filter(({ kind }) => kind === 'committed')
    left.push(...snapshots.filter((one) => !committed.includes(one)).map(({ key, kind }) => `${kind} snapshot ${key}`))
    const directories = (await readdir(join(node.root, 'snapshots', driver)).catch(() => [])).filter((name) => /^\d+$/.test(name))
    if (directories.length !== snapshots.length) left.push(`${directories.length} directories of ${snapshots.length} ${driver} snapshots`)
  }
  return [...left, ...orphansOf(node).map(({ line }) => `process ${line}`)]
}

/** Of one that has ended: mounts below its root, and processes that speak of it. */
export async function remainsOf(root: string): Promise<string[]> {
  return [...(await mountsUnder(root)), ...processesOf(root).map((line) => `process ${line}`)]
}

/** Command lines of living processes that have to do with a node's root: they speak of it, keep a file of it open, or have a snapshot of it as their own root. */
export const processesOf = (root: string): string[] =>
  living()
    .filter(concerning(root))
    .map(({ line }) => line)

/** Whatever a node started, and whatever has to do with its root, wherever the parent has gone; but for itself and the one NATS server it runs on. */
function orphansOf({ pid, root }: RunningNode): Living[] {
  const all = living()
  const children = Map.groupBy(all, ({ parent }) => parent)
  const below = (parent: number): Living[] => (children.get(parent) ?? []).flatMap((child) => [child, ...below(child.pid)])
  const server = children.get(pid)?.find(({ line }) => line.includes(join(root, 'nats', 'server.conf')))
  const found = new Set([...below(pid), ...all.filter(concerning(root))])
  return [...found].filter((one) => one.pid !== pid && one !== server)
}

const mountsUnder = async (root: string): Promise<string[]> => (await mountedUnder(root)).map(({ at }) => `mount ${at}`)

interface Living {
  readonly pid: number
  readonly parent: number
  readonly line: string
}

/** All processes of the machine but this one. */
const living = (): Living[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .flatMap((pid) => lookAt(pid) ?? [])

/** PF_EXITING of a process's flags, SIGKILL in a set of signals. */
const exiting = 0x4
const killed = 1n << 8n

/** One that has ended, is ending, or has been killed for good, is none. */
function lookAt(pid: number): Living | undefined {
  const stat = read(pid, 'stat')
  // Field 2 is the program's name in brackets, with whatever it has in it.
  const [state = 'X', parent, , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (state === 'Z' || state === 'X' || (Number(flags) & exiting) !== 0) return undefined
  const pending = [...read(pid, 'status').matchAll(/^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$/gm)].map(([, set]) => BigInt(`0x${set}`))
  if (pending.some((set) => (set & killed) !== 0n)) return undefined
  return { pid, parent: Number(parent), line: read(pid, 'cmdline').replaceAll('\0', ' ').trim() }
}

const concerning =
  (root: string) =>
  ({ pid, line }: Living): boolean =>
    line.includes(root) || rootMount(pid).includes(root) || opened(pid).some((path) => path.startsWith(root))

/** What is mounted as the root of a process (proc_pid_mountinfo(5)): where it comes from, and its options. */
const rootMount = (pid: number): string =>
  read(pid, 'mountinfo')
    .split('\n')
    .findLast((line) => line.split(' ')[4] === '/') ?? ''

function opened(pid: number): string[] {
  try {
    return ['cwd', ...readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)].map((name) => target(`/proc/${pid}/${name}`))
  } catch {
    return [] // it has ended meanwhile
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return '' // closed meanwhile
  }
}

/** A file of a process; empty when it has ended meanwhile. */
function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
