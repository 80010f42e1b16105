import type { Command } from 'commander'
import type { image } from '../../messages/image.ts'
import { addFilters, type FilterOptions } from '../command/filters.ts'
import { listImages } from '../command/images.ts'
import { asking } from '../command/session.ts'

/** `ctr images ls [--filter …]`: as `dist images`. */
export function imagesLs(command: Command): void {
  addFilters(command).action(
    asking<FilterOptions>(async ({ ask, listing }, { options }) => await listImages(ask<typeof image>('image'), listing, options)),
  )
}
