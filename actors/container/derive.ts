import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { container } from '../../messages/container.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Compared } from '../../messages/unpack.ts'
import { Descriptor, Digest, type Platform } from '../../messages/words/index.ts'

/** What the image is to be beside its layers. */
export type Changes = Pick<z.output<(typeof container)['commit']['request']>, 'author' | 'comment' | 'epoch' | 'config'>

/** An image as its documents, read. */
export interface Base {
  readonly manifest: Manifest
  readonly config: Config
}

/** A document that was written. */
export interface Document {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** An image made of another. */
export interface Derived {
  readonly manifest: Document
  readonly config: Document
  readonly layer: Descriptor
  /** all, base first */
  readonly layers: readonly Descriptor[]
  readonly platform: Platform
}

const Manifest = z.object({ mediaType: z.string().optional(), config: Descriptor, layers: z.array(Descriptor).max(1024) })
type Manifest = z.output<typeof Manifest> & { mediaType: string }

const Config = z.looseObject({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().nullish(),
  config: z.looseObject({}).nullish(),
  rootfs: z.object({ type: z.literal('layers').default('layers'), diff_ids: z.array(Digest) }),
  history: z.array(z.looseObject({})).nullish(),
})
type Config = z.output<typeof Config>

interface ParseInit {
  /** begins what failures say */
  readonly attempted: string
}

/** Read the manifest of an image; `mediaType` is what it is if it does not say so itself. Fails with failed_precondition, saying what is wrong with it. */
export function parseManifest(bytes: Uint8Array, { attempted, mediaType }: ParseInit & { mediaType: string | undefined }): Manifest {
  const manifest = parse(Manifest, bytes, `${attempted}: the manifest of its image`)
  return { ...manifest, mediaType: manifest.mediaType ?? mediaType ?? 'application/vnd.oci.image.manifest.v1+json' }
}

/** Read the config of an image that has this manifest. Fails with failed_precondition, saying what is wrong with it. */
export function parseImageConfig(bytes: Uint8Array, manifest: Manifest, { attempted }: ParseInit): Config {
  const config = parse(Config, bytes, `${attempted}: the config of its image`)
  const [layers, diffIds] = [manifest.layers.length, config.rootfs.diff_ids.length]
  if (layers === diffIds) return config
  throw new Failure('failed_precondition', `${attempted}: its image has ${layers} layers, and ${diffIds} in its config`)
}

/** The image with one layer more. It is of the base's kind, OCI or Docker; the same request of the same container gives the same documents if it has an epoch. */
export function derive({ manifest, config }: Base, made: Compared, changes: Changes & { createdBy: string; now: string }): Derived {
  const docker = manifest.mediaType.startsWith('application/vnd.docker.')
  const layer = { ...made.descriptor, mediaType: docker ? dockerLayer(made.descriptor.mediaType) : made.descriptor.mediaType }
  const layers = [...manifest.layers, layer]
  const newConfig = document(manifest.config.mediaType, configOf(config, made.diffId, changes))
  const { mediaType } = manifest
  const newManifest = document(mediaType, { schemaVersion: 2, mediaType, config: newConfig.descriptor, layers })
  const { os, architecture, variant } = config
  return { manifest: newManifest, config: newConfig, layer, layers, platform: { os, architecture, ...(variant && { variant }) } }
}

/** What the base says of how it was made, by a machine of its own, is not so of this one. */
const foreign = ['container', 'container_config', 'id', 'parent', 'docker_version']

function configOf(
  base: Config,
  diffId: Digest,
  { author, comment, epoch, config: wanted, createdBy, now }: Parameters<typeof derive>[2],
): object {
  const created = epoch !== undefined && Date.parse(epoch) < Date.parse(now) ? epoch : now
  const kept = Object.fromEntries(Object.entries(base).filter(([key]) => !foreign.includes(key)))
  const said = { ...(author !== undefined && { author }), ...(comment !== undefined && { comment }) }
  return {
    ...kept,
    created,
    ...(author !== undefined && { author }),
    config: runOf(base.config ?? {}, wanted ?? {}),
    rootfs: { ...base.rootfs, diff_ids: [...base.rootfs.diff_ids, diffId] },
    history: [...(base.history ?? []), { created, created_by: createdBy, ...said }],
  }
}

/** How it is run: variables and labels are laid over those of the base by name; what is ours to say of things here is no label of an image. */
function runOf(base: Record<string, unknown>, { Env, Labels, ...rest }: NonNullable<Changes['config']>): object {
  const labels = Object.fromEntries(
    Object.entries({ ...(base['Labels'] as object | null), ...Labels }).filter(
      ([key, value]) => !key.startsWith('gantry.') && value !== '',
    ),
  )
  const had = base['Labels'] !== undefined || Object.keys(labels).length > 0
  return { ...base, ...rest, ...(Env && { Env: overlaid(base['Env'], Env) }), ...(had && { Labels: labels }) }
}

function overlaid(base: unknown, over: readonly string[]): string[] {
  const nameOf = (variable: string) => variable.split('=', 1)[0] ?? ''
  const variables = [...(Array.isArray(base) ? base.map(String) : []), ...over]
  return [...new Map(variables.map((variable) => [nameOf(variable), variable])).values()]
}

const dockerLayers: Readonly<Record<string, string>> = {
  'application/vnd.oci.image.layer.v1.tar': 'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'application/vnd.docker.image.rootfs.diff.tar.zstd',
}
const dockerLayer = (mediaType: string): string => dockerLayers[mediaType] ?? mediaType

function document(mediaType: string, value: object): Document {
  const bytes = Buffer.from(JSON.stringify(value))
  return { bytes, descriptor: { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length } }
}

function parse<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.output<T> {
  const refused = (why: string, cause: unknown) => new Failure('failed_precondition', `${what}: ${why}`, { cause })
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw refused('it is not JSON', error)
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw refused(`${issue?.path.join('.')} ${issue?.message}`, result.error)
}
