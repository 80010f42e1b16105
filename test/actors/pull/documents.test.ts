import { describe, expect, test } from 'vitest'
import { childrenOf, mustBeSmall, readConfig } from '../../../actors/pull/documents.ts'
import type { Failure } from '../../../messages/grammar/index.ts'
import type { Descriptor } from '../../../messages/words/index.ts'

const digest = (of: string) => `sha256:${of.repeat(64)}`
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const of = (mediaType: string): Descriptor => ({ mediaType, digest: digest('a'), size: 10 })
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('b'), size: 1 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('c'), size: 1 }

const failing = (work: () => unknown): Failure => {
  try {
    work()
  } catch (error) {
    return error as Failure
  }
  throw new Error('it did not fail')
}

describe('a document', () => {
  test('that is a manifest has its config first, then its layers in order, each as often as it stands there', () => {
    const children = childrenOf(of(manifestType), bytes({ schemaVersion: 2, config, layers: [layer, layer] }))
    expect(children.map((child) => child.digest)).toEqual([config.digest, layer.digest, layer.digest])
  })

  test('that is an index has its manifests', () => {
    expect(childrenOf(of(indexType), bytes({ manifests: [of(manifestType)] }))).toHaveLength(1)
  })

  test.each([
    ['a manifest with manifests', manifestType, { config, layers: [], manifests: [] }],
    ['a manifest that says it is an index', manifestType, { mediaType: indexType, config, layers: [] }],
    ['an index with layers', indexType, { manifests: [], layers: [] }],
    ['an index with a config', indexType, { manifests: [], config }],
    ['an index that says it is a manifest', indexType, { mediaType: manifestType, manifests: [] }],
    ['schema 1', manifestType, { fsLayers: [], config, layers: [] }],
    ['no layers', manifestType, { config }],
    ['a config of a strange digest', manifestType, { config: { ...config, digest: 'sha256:../../etc' }, layers: [] }],
    ['a negative size', manifestType, { config: { ...config, size: -1 }, layers: [] }],
    ['a list', manifestType, []],
    ['no JSON', manifestType, '{'],
  ])('is refused as data_loss: %s', (_, mediaType, value) => {
    const failure = failing(() => childrenOf(of(mediaType), bytes(value)))
    expect(failure.code).toBe('data_loss')
    expect(failure.message).toContain(digest('a'))
  })

  test('of more than 4 MiB is refused unread', () => {
    expect(failing(() => mustBeSmall({ ...of(manifestType), size: 4 * 1024 * 1024 + 1 })).code).toBe('invalid_argument')
    expect(() => mustBeSmall({ ...of(manifestType), size: 4 * 1024 * 1024 })).not.toThrow()
  })

  test('that is a config gives its platform and diffIds', () => {
    const value = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digest('d')] } }
    expect(readConfig(config, bytes(value)).rootfs.diff_ids).toEqual([digest('d')])
    expect(failing(() => readConfig(config, bytes({ ...value, rootfs: { type: 'layers', diff_ids: ['sha256:x'] } }))).code).toBe(
      'data_loss',
    )
  })
})
