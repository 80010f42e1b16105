/**
 * The configuration of a node: flags over environment over file over defaults, one typed object. `gantry config` prints what came of it.
 */
import { readFile } from 'node:fs/promises'
import { availableParallelism, hostname } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Failure, nodeName } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { defaultNodeName, defaultRoot } from '../command/defaults.ts'
import { type NatsAccess, natsAccess, natsAccessOf } from '../command/nats-access.ts'
import { withoutPasswords } from '../command/nats-address.ts'

const Port = z.int().min(0).max(65_535)

/** What a file may say; flags and environment say the same, by other spellings. */
const Settings = z.strictObject({
  node: z.string().optional(),
  root: z.string().optional(),
  nats: z.string().optional(),
  natsCa: z.string().optional(),
  natsCert: z.string().optional(),
  natsKey: z.string().optional(),
  natsCreds: z.string().optional(),
  natsNkey: z.string().optional(),
  natsInbox: z.string().optional(),
  natsPort: Port.optional(),
  subjects: z
    .string()
    .regex(/^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$/, 'tokens of letters, digits, _ and - joined by dots are allowed')
    .optional(),
  log: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  unpackThreads: z.int().min(1).max(64).optional(),
  only: z.array(z.string()).optional(),
  settings: z.record(z.string(), z.string()).optional(),
})
export type Given = z.output<typeof Settings>

/** A node's configuration, whole. */
export interface Config {
  /** its name on the bus */
  readonly node: string
  /** directory of its state, absolute */
  readonly root: string
  /** the NATS system it joins, user and password in the URL, several URLs with commas; undefined: it starts a server of its own */
  readonly nats: string | undefined
  /** files with what that asks for */
  readonly natsAccess: NatsAccess
  /** port of its own server on 127.0.0.1; 0: any free one */
  readonly natsPort: number
  /** first tokens of every subject */
  readonly subjects: string
  readonly log: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly unpackThreads: number
  /** actors to run here; undefined: all of them */
  readonly only: readonly string[] | undefined
  /** settings of actors, by name */
  readonly settings: Readonly<Record<string, string>>
}

/** Put the configuration together. Fails with invalid_argument, naming the source and the setting; with not_found for a file that was named and is not there. */
export async function readConfig(flags: Given & { config?: string | undefined }, env: NodeJS.ProcessEnv): Promise<Config> {
  const { config: named = env['GANTRY_CONFIG'], ...flagged } = flags
  const fromFile = await readSettings(named ?? '/etc/gantry/config.json', named !== undefined)
  const fromEnv = check('the environment', present(environment(env)))
  const given: Given = { ...fromFile, ...fromEnv, ...check('the command line', present(flagged)) }
  return {
    node: nodeName(given.node ?? defaultNodeName(hostname())),
    root: resolve(given.root ?? defaultRoot),
    nats: given.nats,
    natsAccess: natsAccess(given),
    natsPort: given.natsPort ?? 0,
    subjects: given.subjects ?? 'gantry',
    log: given.log ?? 'info',
    unpackThreads: given.unpackThreads ?? availableParallelism(),
    only: given.only,
    settings: { ...fromFile.settings, ...fromEnv.settings, ...flagged.settings },
  }
}

/** The same, fit to be shown: passwords are hidden. */
export function shown(config: Config): Config {
  return config.nats === undefined ? config : { ...config, nats: withoutPasswords(config.nats) }
}

async function readSettings(path: string, mustExist: boolean): Promise<Given> {
  try {
    return check(path, JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (!mustExist && errnoOf(error) === 'ENOENT') return {}
    if (error instanceof SyntaxError)
      throw new Failure('invalid_argument', `read configuration ${path}: ${error.message}`, { cause: error })
    throw fromErrno(error, `read configuration ${path}`)
  }
}

function environment(env: NodeJS.ProcessEnv): Record<string, unknown> {
  return {
    node: env['GANTRY_NODE'],
    root: env['GANTRY_ROOT'],
    nats: env['GANTRY_NATS'],
    ...natsAccessOf(env),
    natsPort: number(env['GANTRY_NATS_PORT']),
    subjects: env['GANTRY_SUBJECTS'],
    log: env['GANTRY_LOG'],
    unpackThreads: number(env['GANTRY_UNPACK_THREADS']),
    settings: env['GANTRY_SETTINGS'] === undefined ? undefined : pairs(env['GANTRY_SETTINGS'].split(',')),
  }
}

/** `name=value` of each. Fails with invalid_argument. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.filter(Boolean).map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new Failure('invalid_argument', `read setting ${JSON.stringify(text)}: NAME=VALUE is wanted`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

/** Empty is as good as not set; what is not a number is left for the check to refuse. */
const number = (text: string | undefined): number | string | undefined =>
  text && Number.isInteger(Number(text)) ? Number(text) : text || undefined

const present = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))

function check(source: string, values: unknown): Given {
  const parsed = Settings.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.')
  throw new Failure('invalid_argument', `read configuration from ${source}: ${where ? `${where}: ` : ''}${issue?.message}`)
}
