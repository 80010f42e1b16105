import type { Command } from 'commander'
import { print } from '../command/output.ts'

interface AccountsOptions {
  readonly account: string
  readonly subjects: string
  readonly nodes?: string[]
  readonly operators?: string[]
  readonly observers?: string[]
  readonly edges?: string[]
  readonly certificates?: boolean
  readonly streams: boolean
}

/** `gantry accounts`: the users of a tenant, and what each may do, as configuration of nats-server (ops/nats/README.md). Nothing is asked of anybody. */
export function accounts(command: Command): void {
  command
    .option('--nodes <names...>', 'nodes: each answers and tells as itself alone; NAME=NKEY for one known by its key')
    .option('--operators <names...>', 'may do everything')
    .option('--observers <names...>', 'hear every event, ask what changes nothing')
    .option('--edges <names...>', 'servers at the edge, with the nodes behind them: site:n3,n4')
    .option('--account <name>', 'of the tenant', 'GANTRY')
    .option('--subjects <tokens>', 'first tokens of its subjects', 'gantry')
    .option('--certificates', 'users are known by their certificates, not by passwords')
    .option('--no-streams', 'nothing is kept on this server: it is at the edge')
    .action(async (options: AccountsOptions) => {
      const { accountOf } = await import('../nats/accounts.ts')
      print([accountOf(options).trimEnd()])
    })
}
