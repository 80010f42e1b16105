import type { Command } from 'commander'
import { fullName } from '../command/full-name.ts'
import { platformOf } from '../command/platform.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { type BringOptions, bring } from './bring.ts'

/** `dist unpack IMAGE`: make the snapshots of an image whose content is here, and show how it comes along. No registry is asked. */
export function unpack(command: Command): void {
  addDriver(command.argument('<reference>', 'an image that is here'))
    .option('--platform <os/architecture>', 'that of the image if left out')
    .option('--detach', 'print the ticket and do not wait')
    .action(
      asking<BringOptions & DriverOptions>(async (session, { args: [reference = ''], options: { driver, platform, ...options } }) => {
        const name = fullName(reference)
        const request = { name, ...driverOf({ driver }), ...(await platformOf(platform, `unpack ${name}`)) }
        await bring(session, { reference: name, unfetched: true, begin: async (puller) => await puller.unpack(request) }, options)
      }),
    )
}
