/** What a node leaves behind: nothing, when all is well. */
import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ingest } from '../../messages/ingest.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { mountedUnder } from '../../runtime/mounts.ts'
import type { RunningNode } from './node.ts'

/** Of a node that runs: mounts below its root, snapshots that are not committed, ingests (`partial`: those somebody holds), directories no snapshot has. */
export async function remains(node: RunningNode, { partial = false } = {}): Promise<string[]> {
  await using bus = await node.connect()
  const { ingests } = await client<typeof ingest>(bus, { node: node.name, actor: 'ingest' }).list({})
  const asked = client<typeof snapshot>(bus, { node: node.name, actor: 'snapshot' })
  const left = [
    ...(await mountsUnder(node.root)),
    ...ingests.filter(({ holder }) => holder || !partial).map(({ reference }) => `ingest ${reference}`),
  ]
  for (const driver of ['overlay', 'native']) {
    const { snapshots } = await asked.list({ driver })
    const committed = snapshots.filter(({ kind }) => kind === 'committed')
    left.push(...snapshots.filter((one) => !committed.includes(one)).map(({ key, kind }) => `${kind} snapshot ${key}`))
    const directories = (await readdir(join(node.root, 'snapshots', driver)).catch(() => [])).filter((name) => /^\d+$/.test(name))
    if (directories.length !== snapshots.length) left.push(`${directories.length} directories of ${snapshots.length} ${driver} snapshots`)
  }
  return left
}

/** Of one that has ended: mounts below its root, and processes that speak of it. */
export async function remainsOf(root: string): Promise<string[]> {
  return [...(await mountsUnder(root)), ...processesOf(root).map((line) => `process ${line}`)]
}

/** Living processes whose command line mentions a path. */
export function processesOf(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(commandLine)
    .filter((line) => line.includes(path))
}

const mountsUnder = async (root: string): Promise<string[]> => (await mountedUnder(root)).map(({ at }) => `mount ${at}`)

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return '' // it has ended meanwhile
  }
}
