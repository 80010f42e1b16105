import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Failure, nodeName } from '../../messages/grammar/index.ts'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { defaultNodeName, defaultRoot } from './defaults.ts'
import type { Globals } from './globals.ts'
import { natsAccess, natsAccessOf, reachNats } from './nats-access.ts'
import { type Whereabouts, whereabouts } from './whereabouts.ts'

/** Where a command's questions go. */
export interface Destination {
  readonly nats: NatsAddress
  readonly node: string
  readonly subjects: string
  /** root whose node.json told it; undefined when it was given by hand */
  readonly root?: string | undefined
  /** the node is on this machine, on that root: files it lends can be opened */
  readonly here: boolean
}

/**
 * Work out whom to ask: a NATS server given by option or environment, else the one the node on the root says it talks to. The node is the one
 * given, else the one on the root, else the one named after this machine. Fails with unavailable when no node runs on the root.
 */
export async function destination(options: Globals, env: NodeJS.ProcessEnv): Promise<Destination> {
  const root = options.root ?? (env['GANTRY_ROOT'] || defaultRoot)
  const nats = options.nats ?? (env['GANTRY_NATS'] || undefined)
  const named = options.node ?? (env['GANTRY_NODE'] || undefined)
  const subjects = env['GANTRY_SUBJECTS'] || undefined
  if (nats !== undefined) {
    const here = await whereabouts(root).catch(() => undefined)
    const node = nodeName(named ?? here?.node ?? defaultNodeName(hostname()))
    return {
      nats: await reachNats(nats, { ...natsAccessOf(env), ...natsAccess(options) }),
      node,
      subjects: subjects ?? here?.subjects ?? 'gantry',
      here: false,
    }
  }
  const here = await runningOn(root)
  const node = nodeName(named ?? here.node)
  return { nats: await addressOf(here), node, subjects: subjects ?? here.subjects, root, here: node === here.node }
}

/** For people who ask where there is no node. */
export const howToStart = 'start one with "gantry up", or run this command with --embedded'

async function runningOn(root: string): Promise<Whereabouts> {
  try {
    return await whereabouts(root)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new Failure('unavailable', `reach the node on ${root}: none runs there; ${howToStart}`)
    }
    throw fromErrno(error, `read where the node on ${root} answers`)
  }
}

async function addressOf({ url, credentials, access = {} }: Whereabouts): Promise<NatsAddress> {
  const address = await reachNats(url, access)
  if (credentials === undefined) return address
  try {
    return { ...address, ...(JSON.parse(await readFile(credentials, 'utf8')) as { user: string; password: string }) }
  } catch (error) {
    throw fromErrno(error, `read the credentials ${credentials}`)
  }
}
