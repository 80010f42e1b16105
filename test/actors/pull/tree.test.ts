import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readTree } from '../../../actors/pull/tree.ts'
import type { Descriptor, Platform } from '../../../messages/words/index.ts'

const amd64: Platform = { os: 'linux', architecture: 'amd64' }
const arm64: Platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const signal = new AbortController().signal
const type = (what: string) => `application/vnd.oci.image.${what}`

/** Documents by digest, as a registry would have them. */
function documents() {
  const all = new Map<string, Uint8Array>()
  const put = (mediaType: string, value: unknown, more: Partial<Descriptor> = {}): Descriptor => {
    const bytes = new TextEncoder().encode(JSON.stringify(value))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    all.set(digest, bytes)
    return { mediaType, digest, size: bytes.length, ...more }
  }
  const read: string[] = []
  return {
    put,
    read,
    fetch: async (descriptor: Descriptor) => {
      read.push(descriptor.digest)
      return all.get(descriptor.digest) ?? new Uint8Array()
    },
  }
}

const layer: Descriptor = { mediaType: type('layer.v1.tar+gzip'), digest: `sha256:${'1'.repeat(64)}`, size: 7 }
const diffId = `sha256:${'2'.repeat(64)}`

function image({ put }: ReturnType<typeof documents>, platform: Platform, { layers = [layer], diffIds = [diffId] } = {}) {
  const config = put(type('config.v1+json'), { ...platform, rootfs: { type: 'layers', diff_ids: diffIds } })
  return { config, manifest: put(type('manifest.v1+json'), { config, layers }) }
}

describe('an image’s tree', () => {
  test('is read from an index down to the one image that fits, and says what was skipped', async () => {
    const there = documents()
    const [ours, theirs] = [image(there, amd64), image(there, arm64)]
    const root = there.put(type('index.v1+json'), {
      manifests: [
        { ...theirs.manifest, platform: arm64 },
        { ...ours.manifest, platform: amd64 },
      ],
    })
    const tree = await readTree({ root, platform: amd64 }, there.fetch, { signal })
    expect(tree.manifest.digest).toBe(ours.manifest.digest)
    expect(tree.layers).toEqual([{ descriptor: layer, diffId }])
    expect(tree.parts.map((part) => [part.descriptor.digest, part.state])).toEqual([
      [root.digest, 'present'],
      [theirs.manifest.digest, 'skipped'],
      [ours.manifest.digest, 'present'],
      [ours.config.digest, 'present'],
      [layer.digest, 'present'],
    ])
    expect(there.read).not.toContain(theirs.manifest.digest)
  })

  test('keeps a layer that stands in it twice at both positions', async () => {
    const there = documents()
    const { manifest } = image(there, amd64, { layers: [layer, layer], diffIds: [diffId, diffId] })
    expect((await readTree({ root: manifest, platform: amd64 }, there.fetch, { signal })).layers).toHaveLength(2)
  })

  test('without anything for the platform is not_found, and says what there is', async () => {
    const there = documents()
    const root = there.put(type('index.v1+json'), { manifests: [{ ...image(there, arm64).manifest, platform: arm64 }] })
    await expect(readTree({ root, platform: amd64 }, there.fetch, { signal })).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('linux/arm64/v8'),
    })
  })

  test('of a single image for another platform is not_found', async () => {
    const there = documents()
    const { manifest } = image(there, arm64)
    await expect(readTree({ root: manifest, platform: amd64 }, there.fetch, { signal })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('with more layers than diffIds is data_loss', async () => {
    const there = documents()
    const { manifest } = image(there, amd64, { layers: [layer, layer] })
    await expect(readTree({ root: manifest, platform: amd64 }, there.fetch, { signal })).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('that is no image at all is invalid_argument', async () => {
    const there = documents()
    const root = there.put('text/html', 'hello')
    await expect(readTree({ root, platform: amd64 }, there.fetch, { signal })).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
