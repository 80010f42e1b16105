import type { Command } from 'commander'
import type { Freshness } from '../../messages/tag.ts'
import { milliseconds } from '../command/globals.ts'
import { platformOf } from '../command/platform.ts'
import { asking } from '../command/session.ts'
import { driverOf } from '../command/snapshots.ts'
import { type BringOptions, bring } from './bring.ts'
import { addNodes, forNodes, type NodesOptions } from './choose-nodes.ts'

interface PullOptions extends BringOptions, NodesOptions {
  readonly driver?: string
  readonly unpack?: boolean
  readonly maxAge?: number
  readonly staleIfError?: number
  readonly requireUpstream?: boolean
}

/** `dist pull REF [--all-nodes | --nodes a,b]`: bring an image, to one node or to several at once, and show how it comes along. */
export function pull(command: Command): void {
  addNodes(command)
    .argument('<reference>', 'image: host/repository:tag, or @digest')
    .option('--platform <os/architecture>', 'that of the node if left out')
    .option('--driver <name>', 'snapshot driver; the node’s default if left out')
    .option('--no-unpack', 'bring the content only')
    .option(
      '--max-age <duration>',
      'what the cluster knows of the tag will do when it is no older; the registry is asked if left out',
      milliseconds,
    )
    .option(
      '--stale-if-error <duration>',
      'when the registry cannot be asked, what the cluster knows will do when it is no older',
      milliseconds,
    )
    .option('--require-upstream', 'only what the registry says now will do, also for a name that is shared')
    .option('--detach', 'print the ticket and do not wait')
    .action(
      asking<PullOptions>(async (session, { args: [reference = ''], options: { driver, unpack = true, platform, ...options } }) => {
        const where = { ...driverOf({ driver }), ...(await platformOf(platform, `pull ${reference}`)) }
        const request = { reference, unpack, ...where, ...freshnessOf(options) }
        if (forNodes(options)) return await (await import('./pull-nodes.ts')).pullNodes(session, request, options)
        await bring(session, { reference, begin: async (puller) => await puller.start(request) }, options)
      }),
    )
}

const freshnessOf = ({ maxAge, staleIfError, requireUpstream }: PullOptions): Freshness => ({
  ...(maxAge !== undefined && { maxAgeMs: maxAge }),
  ...(staleIfError !== undefined && { staleIfErrorMs: staleIfError }),
  ...(requireUpstream && { requireUpstream }),
})
