import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { request } from 'undici'
import type { Descriptor, Digest, Platform } from '../../messages/words/index.ts'
import { type TarEntry, writeTar } from '../../runtime/tar.ts'

/** Bytes, and the descriptor that names them. */
export interface Blob {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** A layer: a blob, and what it is when inflated. */
export interface Layer extends Blob {
  readonly diffId: Digest
}

/** An image that is whole: everything a registry needs to be given. */
export interface Image {
  readonly manifest: Blob
  readonly config: Blob
  readonly layers: readonly Layer[]
}

/** Images of several platforms under one descriptor. */
export interface Index {
  readonly manifest: Blob
  readonly images: readonly Image[]
}

/** What a layer is made of: entries, or an archive as it is (to be hostile with); `gzip` unless said otherwise. */
export type LayerInit = readonly TarEntry[] | { entries?: readonly TarEntry[]; tar?: Uint8Array; compression?: 'gzip' | 'none' }

export interface ImageInit {
  readonly layers: readonly (LayerInit | Layer)[]
  /** The `config` object of the image config: Cmd, Env, User and so on. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly platform?: Platform
}

const oci = (what: string) => `application/vnd.oci.image.${what}`

/** The platform of this machine. */
export const here: Platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }

/** Name bytes by what they are. */
export function blobOf(mediaType: string, bytes: Uint8Array): Blob {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes }
}

/** sha256 of bytes, as a digest. */
export const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Make a layer. The same entries always give the same digest. */
export async function makeLayer(init: LayerInit): Promise<Layer> {
  const { entries = [], tar, compression = 'gzip' } = 'length' in init ? { entries: init } : init
  const archive = tar ?? Buffer.concat(await Array.fromAsync(writeTar(entries)))
  const blob =
    compression === 'gzip' ? blobOf(oci('layer.v1.tar+gzip'), gzipSync(archive, { level: 1 })) : blobOf(oci('layer.v1.tar'), archive)
  return { ...blob, diffId: digestOf(archive) }
}

/** Make an image out of layers, base first. */
export async function makeImage(init: ImageInit): Promise<Image> {
  const layers = await Promise.all(init.layers.map((layer) => ('diffId' in layer ? layer : makeLayer(layer))))
  const config = json(oci('config.v1+json'), {
    created: new Date(0).toISOString(),
    ...(init.platform ?? here),
    config: init.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: new Date(0).toISOString() })),
  })
  const manifest = json(oci('manifest.v1+json'), {
    schemaVersion: 2,
    mediaType: oci('manifest.v1+json'),
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
  })
  return { manifest, config, layers }
}

/** Make an index of images by platform. */
export function makeIndex(images: readonly { platform: Platform; image: Image }[]): Index {
  const manifest = json(oci('index.v1+json'), {
    schemaVersion: 2,
    mediaType: oci('index.v1+json'),
    manifests: images.map(({ platform, image }) => ({ ...image.manifest.descriptor, platform })),
  })
  return { manifest, images: images.map(({ image }) => image) }
}

/** A document of any shape, as bytes that are named. */
export const json = (mediaType: string, value: unknown): Blob => blobOf(mediaType, Buffer.from(JSON.stringify(value)))

/** Push an image or an index as `name` (`library/x:latest`); resolves to the reference it can be pulled by. */
export async function pushImage(registry: { host: string; url: string }, name: string, image: Image | Index): Promise<string> {
  const [repository = '', tag = 'latest'] = name.split(':')
  for (const one of 'images' in image ? image.images : [image]) {
    for (const blob of new Set([one.config, ...one.layers])) await pushBlob(registry, repository, blob)
    await pushManifest(registry, repository, one.manifest.descriptor.digest, one.manifest)
  }
  await pushManifest(registry, repository, tag, image.manifest)
  return `${registry.host}/${repository}:${tag}`
}

/** Push one blob whole. */
export async function pushBlob(registry: { url: string }, repository: string, blob: Blob): Promise<void> {
  const begun = await request(`${registry.url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  await begun.body.dump()
  const location = new URL(String(begun.headers['location']), registry.url)
  location.searchParams.set('digest', blob.descriptor.digest)
  await created(
    'push blob',
    await request(location, { method: 'PUT', headers: { 'content-type': 'application/octet-stream' }, body: blob.bytes }),
  )
}

/** Push a manifest or an index under a tag or its digest. */
export async function pushManifest(registry: { url: string }, repository: string, tag: string, blob: Blob): Promise<void> {
  const headers = { 'content-type': blob.descriptor.mediaType }
  await created(
    'push manifest',
    await request(`${registry.url}/v2/${repository}/manifests/${tag}`, { method: 'PUT', headers, body: blob.bytes }),
  )
}

/** Write an image as an OCI layout, for tools that read one (umoci, skopeo). */
export async function writeLayout(directory: string, tag: string, image: Image | Index): Promise<void> {
  const blobs = join(directory, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  const parts = 'images' in image ? image.images : [image]
  for (const blob of [image.manifest, ...parts.flatMap((one) => [one.manifest, one.config, ...one.layers])])
    await writeFile(join(blobs, blob.descriptor.digest.slice('sha256:'.length)), blob.bytes)
  const annotations = { 'org.opencontainers.image.ref.name': tag }
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  await writeFile(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...image.manifest.descriptor, annotations }] }),
  )
}

/** An image that can run: busybox with a link per applet, users root and `daemon` (uid 1), and whatever layers are put on top. */
export async function busyboxImage(init: Partial<ImageInit> = {}): Promise<Image> {
  return makeImage({
    ...init,
    layers: [busyboxEntries(), ...(init.layers ?? [])],
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'], ...init.config },
  })
}

function busyboxEntries(): TarEntry[] {
  const applets = execFileSync('/usr/bin/busybox', ['--list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name && name !== 'busybox')
  return [
    ...['bin', 'etc', 'root', 'proc', 'sys', 'dev', 'home', 'usr', 'var'].map((name) => ({ name: `${name}/`, type: 'directory' as const })),
    { name: 'tmp/', type: 'directory', mode: 0o1777 },
    { name: 'bin/busybox', mode: 0o755, content: readFileSync('/usr/bin/busybox') },
    ...applets.map((name) => ({ name: `bin/${name}`, type: 'symlink' as const, linkname: 'busybox', mode: 0o777 })),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/home:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\ndaemon:x:1:\nstaff:x:50:daemon\n' },
  ]
}

async function created(what: string, answer: { statusCode: number; body: { text(): Promise<string> } }): Promise<void> {
  const text = await answer.body.text()
  if (answer.statusCode !== 201) throw new Error(`${what}: ${answer.statusCode} ${text}`)
}
