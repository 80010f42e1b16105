import type { Command } from 'commander'
import { platformOf } from '../command/platform.ts'
import { asking } from '../command/session.ts'
import { driverOf } from '../command/snapshots.ts'
import { type BringOptions, bring } from './bring.ts'
import { addNodes, forNodes, type NodesOptions } from './choose-nodes.ts'

interface PullOptions extends BringOptions, NodesOptions {
  readonly driver?: string
  readonly unpack?: boolean
}

/** `dist pull REF [--all-nodes | --nodes a,b]`: bring an image, to one node or to several at once, and show how it comes along. */
export function pull(command: Command): void {
  addNodes(command)
    .argument('<reference>', 'image: host/repository:tag, or @digest')
    .option('--platform <os/architecture>', 'that of the node if left out')
    .option('--driver <name>', 'snapshot driver; the node’s default if left out')
    .option('--no-unpack', 'bring the content only')
    .option('--detach', 'print the ticket and do not wait')
    .action(
      asking<PullOptions>(async (session, { args: [reference = ''], options: { driver, unpack = true, platform, ...options } }) => {
        const request = { reference, unpack, ...driverOf({ driver }), ...(await platformOf(platform, `pull ${reference}`)) }
        if (forNodes(options)) return await (await import('./pull-nodes.ts')).pullNodes(session, request, options)
        await bring(session, { reference, begin: async (puller) => await puller.start(request) }, options)
      }),
    )
}
