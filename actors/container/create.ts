import type { z } from 'zod'
import type { Container, container } from '../../messages/container.ts'
import type { content } from '../../messages/content.ts'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image, image } from '../../messages/image.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { chainIds, type Digest, formatReference, parseReference } from '../../messages/words/index.ts'
import { type ImageConfig, parseConfig } from './config.ts'
import { processOf } from './process.ts'
import { type Asking, readDocument } from './read.ts'

export type CreateRequest = z.output<(typeof container)['create']['request']>

/** Who is asked. */
export interface Asks {
  readonly image: Pick<Client<typeof image>, 'get'>
  readonly content: Pick<Client<typeof content>, 'read'>
  readonly snapshot: Pick<Client<typeof snapshot>, 'prepare' | 'stat' | 'remove'>
}

/** Marks an active snapshot as a container's, by its id. */
const owner = 'gantry.container'

/** ms a snapshot may take to be made. */
const slowMs = 30_000

/**
 * Prepare what a container needs, and work out the record of it, and the image's config it comes from. The snapshot is there when this resolves; who cannot write the record removes it.
 */
export async function prepareContainer(asks: Asks, request: CreateRequest, asking: Asking): Promise<{ made: Container; config: Digest }> {
  const attempted = `create container ${request.id}`
  const found = await findImage(asks, request.image, attempted, asking)
  const config = parseConfig(await readDocument(asks.content, found.config, { attempted, what: 'config' }, asking), found.name)
  const process = processOf(config, request, attempted)
  const driver = await prepareSnapshot(asks, { request, config, image: found.name }, asking)
  const made: Container = {
    id: request.id,
    image: found.name,
    digest: found.manifest.digest,
    driver,
    key: request.id,
    process,
    readonly: request.readonly,
    labels: request.labels,
    createdAt: new Date().toISOString(),
  }
  return { made, config: found.config.digest }
}

async function findImage(asks: Asks, text: string, attempted: string, asking: Asking): Promise<Image> {
  const name = formatReference(parseReference(text))
  try {
    return await asks.image.get({ name }, asking)
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
    throw new Failure('not_found', `${attempted}: image ${name} is not here; pull it first`, { cause: error })
  }
}

interface SnapshotInit {
  readonly request: CreateRequest
  readonly config: ImageConfig
  readonly image: string
}

/** The driver it was made by. */
async function prepareSnapshot(asks: Asks, { request, config, image }: SnapshotInit, asking: Asking): Promise<string> {
  const { id, driver } = request
  const parent = chainIds(config.diffIds).at(-1)
  const wanted = { key: id, labels: { [owner]: id }, ...(parent && { parent }), ...(driver && { driver }) }
  const prepare = async () => (await asks.snapshot.prepare(wanted, { ...asking, timeoutMs: slowMs })).driver
  try {
    return await prepare()
  } catch (error) {
    if (isFailure(error, 'not_found')) {
      const where = driver ? ` with driver ${driver}` : ''
      throw new Failure('not_found', `create container ${id}: image ${image} is not unpacked here${where}; pull it first`, { cause: error })
    }
    // A node that was killed between the snapshot and the record leaves the snapshot; nobody else's is touched.
    if (isFailure(error, 'already_exists') && (await isLeftover(asks, { id, driver }, asking))) {
      await asks.snapshot.remove({ key: id, ...(driver && { driver }) }, asking)
      return await prepare()
    }
    throw error
  }
}

async function isLeftover(asks: Asks, { id, driver }: { id: string; driver: string | undefined }, asking: Asking): Promise<boolean> {
  const { labels, kind } = await asks.snapshot.stat({ key: id, ...(driver && { driver }) }, asking)
  return kind === 'active' && labels[owner] === id
}
