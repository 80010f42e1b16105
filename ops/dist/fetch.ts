import type { Command } from 'commander'
import { platformOf } from '../command/platform.ts'
import { asking } from '../command/session.ts'
import { type BringOptions, bring } from './bring.ts'

/** `dist fetch REF`: bring all of an image into the content store, without unpacking it, and show how it comes along. */
export function fetch(command: Command): void {
  command
    .argument('<reference>', 'image: host/repository:tag, or @digest')
    .option('--platform <os/architecture>', 'that of the node if left out')
    .option('--detach', 'print the ticket and do not wait')
    .action(
      asking<BringOptions>(async (session, { args: [reference = ''], options }) => {
        const request = { reference, unpack: false, ...(await platformOf(options.platform, `fetch ${reference}`)) }
        await bring(session, { reference, begin: async (puller) => await puller.start(request) }, options)
      }),
    )
}
