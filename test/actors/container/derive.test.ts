import { describe, expect, test } from 'vitest'
import { type Changes, derive, parseImageConfig, parseManifest } from '../../../actors/container/derive.ts'
import { digestOf } from '../../support/content.ts'

const digest = (text: string) => digestOf(text)
const attempted = 'commit container c'
const now = '2026-11-21T10:00:00.000Z'
const made = {
  descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('layer'), size: 7 },
  diffId: digest('diff'),
  size: 1024,
  entries: 0,
}
const oci = 'application/vnd.oci.image.'
const docker = 'application/vnd.docker.'

const base = (kind: { manifest: string; config: string; layer: string }, config: object = {}) => {
  const layer = { mediaType: kind.layer, digest: digest('below'), size: 3, annotations: { a: 'b' } }
  const text = {
    schemaVersion: 2,
    mediaType: kind.manifest,
    config: { mediaType: kind.config, digest: digest('config'), size: 2 },
    layers: [layer],
    annotations: { of: 'the base' },
  }
  const manifest = parseManifest(Buffer.from(JSON.stringify(text)), { attempted, mediaType: undefined })
  const said = { os: 'linux', architecture: 'arm64', variant: 'v8', rootfs: { type: 'layers', diff_ids: [digest('below')] }, ...config }
  return { manifest, config: parseImageConfig(Buffer.from(JSON.stringify(said)), manifest, { attempted }) }
}
const ofOci = { manifest: `${oci}manifest.v1+json`, config: `${oci}config.v1+json`, layer: `${oci}layer.v1.tar+gzip` }
const ofDocker = {
  manifest: `${docker}distribution.manifest.v2+json`,
  config: `${docker}container.image.v1+json`,
  layer: `${docker}image.rootfs.diff.tar.gzip`,
}
const changed = (changes: Changes = {}, config: object = {}) => {
  const derived = derive(base(ofOci, config), made, { ...changes, createdBy: 'sh', now })
  return JSON.parse(Buffer.from(derived.config.bytes).toString())
}

describe('an image made of another', () => {
  test('has its layers as they are described, and one more', () => {
    const { manifest, config, layers, layer, platform } = derive(base(ofOci), made, { createdBy: 'sh', now })
    expect(JSON.parse(Buffer.from(manifest.bytes).toString())).toEqual({
      schemaVersion: 2,
      mediaType: ofOci.manifest,
      config: config.descriptor,
      layers: [{ mediaType: ofOci.layer, digest: digest('below'), size: 3, annotations: { a: 'b' } }, made.descriptor],
    })
    expect(layers).toHaveLength(2)
    expect(layer).toEqual(made.descriptor)
    expect(platform).toEqual({ os: 'linux', architecture: 'arm64', variant: 'v8' })
    expect(config.descriptor).toEqual({ mediaType: ofOci.config, digest: digestOf(config.bytes), size: config.bytes.length })
  })

  test.each([
    ['tar', 'tar'],
    ['tar+gzip', 'tar.gzip'],
    ['tar+zstd', 'tar.zstd'],
  ])('is Docker’s if that is: %s', (from, to) => {
    const descriptor = { ...made.descriptor, mediaType: `${oci}layer.v1.${from}` }
    const { manifest, config, layer } = derive(base(ofDocker), { ...made, descriptor }, { createdBy: 'sh', now })
    expect(manifest.descriptor.mediaType).toBe(ofDocker.manifest)
    expect(config.descriptor.mediaType).toBe(ofDocker.config)
    expect(layer.mediaType).toBe(`${docker}image.rootfs.diff.${to}`)
  })

  test('has its history and one entry more, whose time is not after that of a reproducible build', () => {
    const history = [{ created: '2000-01-01T00:00:00Z', empty_layer: true }]
    expect(changed({ author: 'me', comment: 'why' }, { history, author: 'them' })).toMatchObject({
      created: now,
      author: 'me',
      history: [history[0], { created: now, created_by: 'sh', author: 'me', comment: 'why' }],
      rootfs: { type: 'layers', diff_ids: [digest('below'), made.diffId] },
    })
    expect(changed({ epoch: '2001-01-01T00:00:00Z' }).created).toBe('2001-01-01T00:00:00Z')
    expect(changed({ epoch: '3001-01-01T00:00:00Z' }).created).toBe(now)
    expect(changed({}, { author: 'them' }).author).toBe('them')
  })

  test('is run as it was, but for what is said; variables and labels are laid over by name', () => {
    const config = {
      Cmd: ['a'],
      Entrypoint: ['e'],
      Env: ['A=1', 'B=2'],
      Labels: { a: '1', b: '2', 'gantry.x': 'y' },
      Volumes: { '/v': {} },
    }
    const wanted = { Cmd: ['b'], Env: ['B=3', 'C=4'], Labels: { a: '', c: '3', 'gantry.z': 'y' }, WorkingDir: '/w' }
    expect(changed({ config: wanted }, { config }).config).toEqual({
      Cmd: ['b'],
      Entrypoint: ['e'],
      Env: ['A=1', 'B=3', 'C=4'],
      Labels: { b: '2', c: '3' },
      Volumes: { '/v': {} },
      WorkingDir: '/w',
    })
    expect(changed({}, { config: null }).config).toEqual({})
  })

  test('says nothing of the machine the base was made on', () => {
    const said = changed({}, { container: 'id', container_config: {}, docker_version: '1', parent: 'x', 'os.version': '5' })
    expect(Object.keys(said)).toEqual(['os', 'architecture', 'variant', 'rootfs', 'os.version', 'created', 'config', 'history'])
  })
})

describe('a base', () => {
  const read = (text: string) => parseManifest(Buffer.from(text), { attempted, mediaType: undefined })
  test.each([
    ['not JSON', '{'],
    ['no manifest', '{}'],
    ['an index', JSON.stringify({ manifests: [] })],
  ])('that is %s is refused', (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'failed_precondition', message: expect.stringContaining(attempted) }))
  })

  test('whose config speaks of other layers is refused', () => {
    expect(() => base(ofOci, { rootfs: { diff_ids: [] } })).toThrow(
      expect.objectContaining({ code: 'failed_precondition', message: `${attempted}: its image has 1 layers, and 0 in its config` }),
    )
  })

  test('that does not say what it is, is what it was brought as', () => {
    const text = JSON.stringify({ config: { mediaType: ofDocker.config, digest: digest('c'), size: 1 }, layers: [] })
    expect(parseManifest(Buffer.from(text), { attempted, mediaType: ofDocker.manifest }).mediaType).toBe(ofDocker.manifest)
    expect(read(text).mediaType).toBe(ofOci.manifest)
  })
})
