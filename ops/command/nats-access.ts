/** How a NATS system is reached, beside its URLs: files with what it asks for. The same words as flags, as variables of the environment, and in the configuration of a node. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { natsAddress } from './nats-address.ts'

/** Paths of files, but for the inbox. */
export interface NatsAccess {
  readonly natsCa?: string | undefined
  readonly natsCert?: string | undefined
  readonly natsKey?: string | undefined
  readonly natsCreds?: string | undefined
  readonly natsNkey?: string | undefined
  readonly natsInbox?: string | undefined
}

const words: Readonly<Record<keyof NatsAccess, { flag: string; env: string; what: string }>> = {
  natsCa: { flag: '--nats-ca <file>', env: 'GANTRY_NATS_CA', what: 'authorities NATS servers are trusted by, PEM; TLS is demanded' },
  natsCert: { flag: '--nats-cert <file>', env: 'GANTRY_NATS_CERT', what: 'certificate to show to NATS servers, PEM' },
  natsKey: { flag: '--nats-key <file>', env: 'GANTRY_NATS_KEY', what: 'key of that certificate, PEM' },
  natsCreds: { flag: '--nats-creds <file>', env: 'GANTRY_NATS_CREDS', what: 'credentials of a NATS user, as nsc makes them' },
  natsNkey: { flag: '--nats-nkey <file>', env: 'GANTRY_NATS_NKEY', what: 'seed of the nkey of a NATS user' },
  natsInbox: {
    flag: '--nats-inbox <tokens>',
    env: 'GANTRY_NATS_INBOX',
    what: 'first tokens of the subjects to be answered on; _INBOX.<user> if there is one, else _INBOX',
  },
}

const keys = Object.keys(words) as (keyof NatsAccess)[]

/** Let a command take them. */
export function addNatsAccess(command: Command): void {
  for (const key of keys) command.option(words[key].flag, `${words[key].what} ($${words[key].env})`)
}

/** What is said of them: in options, or whatever else has them by name. Relative paths are made absolute. */
export function natsAccess(given: NatsAccess): NatsAccess {
  const said = keys.flatMap((key) => (given[key] ? [[key, key === 'natsInbox' ? given[key] : resolve(given[key])]] : []))
  return Object.fromEntries(said) as NatsAccess
}

/** The flags that say the same. */
export function accessFlags(given: NatsAccess): Record<string, string | undefined> {
  return Object.fromEntries(keys.map((key) => [words[key].flag.split(' ')[0] ?? '', given[key]]))
}

/** What the environment says of them. */
export function natsAccessOf(env: NodeJS.ProcessEnv): NatsAccess {
  return natsAccess(Object.fromEntries(keys.map((key) => [key, env[words[key].env]])))
}

/** The address of a NATS system, its files read. Fails with invalid_argument, or as reading a file does. */
export async function reachNats(
  urls: string,
  { natsCa, natsCert, natsKey, natsCreds, natsNkey, natsInbox }: NatsAccess,
): Promise<NatsAddress> {
  const [ca, cert, key, credentials, seed] = await Promise.all([natsCa, natsCert, natsKey, natsCreds, natsNkey].map(contents))
  const address = natsAddress(urls)
  const tls = { ...address.tls, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  return {
    ...address,
    ...((address.tls || ca || cert) && { tls }),
    ...(credentials !== undefined && { credentials }),
    ...(seed !== undefined && { seed }),
    ...(natsInbox !== undefined && { inbox: natsInbox }),
  }
}

async function contents(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw fromErrno(error, `read ${path}, to reach NATS`)
  }
}
