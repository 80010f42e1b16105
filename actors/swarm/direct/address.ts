import { readFile, readlink } from 'node:fs/promises'
import { isIP } from 'node:net'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Address } from './offers.ts'

/** What the setting `swarm.direct` comes to. */
export interface Direct extends Address {
  /** only nodes of this machine can connect: it is an address of the loopback */
  readonly here: boolean
}

/**
 * `off`: bytes go over the bus only, both ways. Nothing: nodes of one machine connect over its loopback. Else an address of this node, `HOST` or `HOST:PORT`, which the others can reach, and
 * this one connects to theirs. Fails with invalid_argument when it is none of these.
 */
export function readDirect(setting: string | undefined): Direct | undefined {
  if (setting === 'off') return undefined
  if (setting === undefined || setting === '') return { host: '127.0.0.1', port: 0, here: true }
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+))(?::([0-9]{1,5}))?$/.exec(setting) ?? []
  const host = bracketed ?? plain
  const port = Number(digits ?? 0)
  if (host === undefined || port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6) || isAnywhere(host))
    throw new Failure('invalid_argument', `listen for other nodes on ${JSON.stringify(setting)}: it is no address they could connect to`)
  return { host, port, here: isLoopback(host) }
}

const isAnywhere = (host: string): boolean => host === '0.0.0.0' || host === '::'
export const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'))

/** Names what shares a loopback: a boot of a machine, and a network of it. */
export async function loopbackName(): Promise<string> {
  const [boot, network] = await Promise.all([readFile('/proc/sys/kernel/random/boot_id', 'utf8'), readlink('/proc/self/ns/net')])
  return `${boot.trim()} ${network}`
}
