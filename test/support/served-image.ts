import type { Image } from '../../ops/lab/images.ts'
import { type Behaviour, bytes, type HostileRegistry, manifest } from './hostile-registry.ts'

/** Have a registry serve an image under a repository, tag `latest`, as a good one does; resolves to its reference. What it should do otherwise is said after this. */
export function serveImage(registry: HostileRegistry, repository: string, image: Image): string {
  registry.on(manifestPath(repository, 'latest'), manifest(image.manifest))
  registry.on(manifestPath(repository, image.manifest.descriptor.digest), manifest(image.manifest))
  for (const blob of [image.config, ...image.layers]) registry.on(blobPath(repository, blob.descriptor.digest), bytes(blob.bytes))
  return `${registry.host}/${repository}:latest`
}

export const manifestPath = (repository: string, tag: string): string => `/v2/${repository}/manifests/${tag}`
export const blobPath = (repository: string, digest: string): string => `/v2/${repository}/blobs/${digest}`

/** Serve bytes, but those after the first `before` only once `until` has come to pass. */
export const held =
  (content: Uint8Array, { before, until }: { before: number; until: Promise<unknown> }): Behaviour =>
  (request, response) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from, ...range })
    response.flushHeaders()
    if (before > from) response.write(content.subarray(from, before))
    void until.then(() => response.end(content.subarray(Math.max(from, before))))
  }
