import type { z } from 'zod'
import type { Context } from '../../../messages/grammar/index.ts'
import type { Compared, Compression, unpack } from '../../../messages/unpack.ts'
import { withProgress } from '../progress.ts'
import { type CompareProgress, type Comparison, compare } from './compare.ts'
import { openPlaces, type PlacesComponents } from './places.ts'
import { type StoreComponents, store } from './store.ts'

export type CompareRequest = z.output<(typeof unpack)['compare']['request']>

/** Make a layer of two snapshots, and put it into content. Says how far it is, at most each `everyMs`, and ends with what it came to. */
export async function* compareSnapshots(
  components: PlacesComponents & StoreComponents,
  { request, everyMs }: { request: CompareRequest; everyMs: number },
  { signal, trace, log }: Pick<Context, 'signal' | 'trace' | 'log'>,
): AsyncGenerator<Compared | CompareProgress> {
  const { upper, lease, compression, epoch } = request
  const work = async (onProgress: (progress: CompareProgress) => void, given: AbortSignal): Promise<Compared> => {
    const asking = { signal: given, trace }
    await using places = await openPlaces(components, request, asking)
    const write = async (append: (bytes: Uint8Array) => void) => {
      const { finder, lower } = places
      const comparing = {
        upper: places.upper,
        lower,
        finder,
        compression,
        append,
        epoch: epoch === undefined ? undefined : Math.floor(Date.parse(epoch) / 1000),
      }
      const made = await compare(comparing, { signal: given, onProgress, warn: (what) => log.warn({ upper }, what) })
      await places.demandThere()
      return { ...made, labels: labelsOf(request, made) }
    }
    return comparedOf(await store(components, { lease }, write, asking), compression)
  }
  yield* withProgress(work, { everyMs, signal })
}

const labelsOf = ({ labels, compression }: CompareRequest, { diffId }: Comparison): Record<string, string> => ({
  ...labels,
  'gantry.uncompressed': diffId,
  'gantry.media-type': mediaTypes[compression],
})

const comparedOf = ({ digest, packedSize, diffId, size, entries }: Comparison, compression: Compression): Compared => ({
  descriptor: { mediaType: mediaTypes[compression], digest, size: packedSize },
  diffId,
  size,
  entries,
})

const mediaTypes: Readonly<Record<Compression, string>> = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
}
