import { type Command, Option } from 'commander'
import type { Compression } from '../../messages/unpack.ts'

export interface CompressionOptions {
  readonly compression: Compression
}

/** `--compression`, for whatever makes a layer. */
export const addCompression = (command: Command): Command =>
  command.addOption(new Option('--compression <kind>', 'of the layer').choices(['gzip', 'zstd', 'none']).default('gzip'))
