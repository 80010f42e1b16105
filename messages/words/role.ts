/** What media types mean. Kept free of the schemas, so that a command can tell without loading any. */
const indexes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
const manifests = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']
const configs = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']

/** What a media type means to a pull. `foreign` layers may be absent from a registry; anything unknown is `other`: kept, not looked into. */
export type Role = 'index' | 'manifest' | 'config' | 'layer' | 'other'

/** The role of a media type, OCI or Docker schema 2. */
export function roleOf(mediaType: string): Role {
  if (indexes.includes(mediaType)) return 'index'
  if (manifests.includes(mediaType)) return 'manifest'
  if (configs.includes(mediaType)) return 'config'
  if (mediaType.startsWith('application/vnd.oci.image.layer.') || mediaType.startsWith('application/vnd.docker.image.rootfs.'))
    return 'layer'
  return 'other'
}

/** Media types a resolve accepts, best first (facts R3). */
export const acceptedManifests: readonly string[] = [...manifests, ...indexes]
