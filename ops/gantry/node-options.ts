import { type Command, InvalidArgumentError } from 'commander'
import { type NatsAccess, natsAccess } from '../command/nats-access.ts'
import type { Config } from '../node/config.ts'

/** Options of a node, beside those every command takes. */
interface NodeFlags {
  readonly config?: string
  readonly natsPort?: number
  readonly subjects?: string
  readonly log?: Config['log']
  readonly unpackThreads?: number
  readonly only?: string[]
  readonly set?: string[]
}

export function addNodeOptions(command: Command): void {
  command
    .option('--config <file>', 'settings in JSON; /etc/gantry/config.json if it is there ($GANTRY_CONFIG)')
    .option('--nats-port <port>', 'port of the node’s own NATS server on 127.0.0.1; any free one if left out ($GANTRY_NATS_PORT)', whole)
    .option('--subjects <tokens>', 'first tokens of every subject ($GANTRY_SUBJECTS)')
    .option('--log <level>', 'debug, info, warn, error or silent ($GANTRY_LOG)')
    .option('--unpack-threads <count>', 'one a core if left out ($GANTRY_UNPACK_THREADS)', whole)
    .option('--only <actors...>', 'run only these actors here')
    .option('--set <name=value...>', 'settings of actors ($GANTRY_SETTINGS, separated by commas)')
}

/** The configuration that flags, environment and file come to. */
export async function configOf(command: Command): Promise<Config> {
  const { readConfig, pairs } = await import('../node/config.ts')
  const flags = command.optsWithGlobals<NodeFlags & NatsAccess & { nats?: string; node?: string; root?: string }>()
  const { config, nats, node, root, natsPort, subjects, log, unpackThreads, only, set } = flags
  const given = {
    ...natsAccess(flags),
    config,
    nats,
    node,
    root,
    natsPort,
    subjects,
    log,
    unpackThreads,
    only,
    settings: set && pairs(set),
  }
  return await readConfig(given, process.env)
}

function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is wanted.')
  return Number(text)
}
