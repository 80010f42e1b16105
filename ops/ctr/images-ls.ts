import type { Command } from 'commander'
import type { image } from '../../messages/image.ts'
import { listImages } from '../command/images.ts'
import { asking } from '../command/session.ts'

/** `ctr images ls`: as `dist images`. */
export function imagesLs(command: Command): void {
  command.action(asking(async ({ ask, listing }) => listImages(ask<typeof image>('image'), listing)))
}
