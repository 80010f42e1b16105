import { type Command, InvalidArgumentError } from 'commander'
import { addNatsAccess, type NatsAccess } from './nats-access.ts'

/** Options every command takes. */
export interface Globals extends NatsAccess {
  readonly nats?: string
  readonly node?: string
  readonly root?: string
  readonly json?: boolean
  /** ms the command may take */
  readonly timeout?: number
  /** ms it may take to reach NATS */
  readonly connectTimeout?: number
  readonly embedded?: boolean
}

/** They may stand before the verb or after it. */
export function addGlobals(command: Command): void {
  command
    .option(
      '--nats <url>',
      'NATS server to talk to, several of one system with commas; that of the node on --root if left out ($GANTRY_NATS)',
    )
    .option('--node <name>', 'node to ask; the one on --root if left out ($GANTRY_NODE)')
    .option('--root <directory>', 'state of the node on this machine ($GANTRY_ROOT)')
    .option('--json', 'a line of JSON for each row')
    .option('--timeout <duration>', 'give up after so long: 500ms, 10s, 2m; a bare number is seconds', milliseconds)
    .option('--connect-timeout <duration>', 'give up reaching NATS after so long', milliseconds)
    .option('--embedded', 'run a private node for this one command')
  addNatsAccess(command)
}

/** A duration as people write it, in ms. */
export function milliseconds(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  const scale = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit]
  if (number === undefined || scale === undefined) throw new InvalidArgumentError('a duration is wanted, such as 500ms, 10s, 2m.')
  return Number(number) * scale
}
