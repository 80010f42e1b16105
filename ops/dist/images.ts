import type { Command } from 'commander'
import type { image } from '../../messages/image.ts'
import { addFilters, type FilterOptions } from '../command/filters.ts'
import { listImages } from '../command/images.ts'
import { asking } from '../command/session.ts'

/** `dist images [--filter …]`: the images that are here, by name. */
export function images(command: Command): void {
  addFilters(command).action(
    asking<FilterOptions>(async ({ ask, listing }, { options }) => await listImages(ask<typeof image>('image'), listing, options)),
  )
}
