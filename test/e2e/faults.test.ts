import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Code, failures } from '../../messages/grammar/index.ts'
import { blobOf, busyboxImage, type Image, json, type Layer, makeImage } from '../../ops/lab/images.ts'
import { complaint } from '../support/complaint.ts'
import { bytes, challenge, type HostileRegistry, manifest, startHostileRegistry, status } from '../support/hostile-registry.ts'
import { archive, directory, file, symlink } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, manifestPath, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { tempDirectory } from '../support/temp.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let image: Image
let layer: Layer

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  image = await busyboxImage({ layers: [[{ name: 'own', content: randomBytes(200_000) }]] })
  layer = image.layers[1] as Layer
})
afterAll(() => scope.disposeAsync())

/** What goes wrong with a repository of its own, and what is said of it beside the reference. */
interface Fault {
  readonly serve?: (repository: string) => void | Promise<void>
  /** instead of the repository at the registry */
  readonly reference?: string
  readonly code: Code
  readonly says: RegExp
}

const digest = (letter: string) => `sha256:${letter.repeat(64)}`

const faults: Readonly<Record<string, Fault>> = {
  'a host nobody knows': { reference: 'no-such-host.invalid/library/x:latest', code: 'unavailable', says: /no-such-host\.invalid/ },
  'a host that refuses connections': {
    reference: '127.0.0.1:1/library/x:latest',
    code: 'unavailable',
    says: /ECONNREFUSED 127\.0\.0\.1:1$/,
  },
  'no such repository': { serve: () => {}, code: 'not_found', says: /resolve/ },
  'no such tag': {
    serve: (repository) =>
      registry.on(manifestPath(repository, 'latest'), status(404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] })),
    code: 'not_found',
    says: /answered 404/,
  },
  'a registry that wants credentials': {
    serve: (repository) => registry.on(manifestPath(repository, 'latest'), challenge('Basic realm="it"')),
    code: 'unauthenticated',
    says: /credentials|password/,
  },
  'a registry that forbids': { serve: answering(403), code: 'permission_denied', says: /403/ },
  'a registry that has had enough': { serve: answering(429), code: 'resource_exhausted', says: /429/ },
  'a registry that is broken': { serve: answering(500), code: 'unavailable', says: /500/ },
  'a manifest that is a page': {
    serve: (repository) => registry.on(manifestPath(repository, 'latest'), manifest(blobOf('text/html', Buffer.from('<html>')))),
    code: 'unimplemented',
    says: /text\/html/,
  },
  'a manifest of an image of schema 1': {
    serve: (repository) =>
      registry.on(
        manifestPath(repository, 'latest'),
        manifest(json('application/vnd.docker.distribution.manifest.v1+prettyjws', { fsLayers: [] })),
      ),
    code: 'unimplemented',
    says: /schema 1|manifest\.v1/,
  },
  'a manifest of more than 4 MiB': {
    serve: (repository) => {
      const large = json(image.manifest.descriptor.mediaType, { schemaVersion: 2, annotations: { a: 'x'.repeat(5 << 20) } })
      registry.on(manifestPath(repository, 'latest'), manifest(large))
      registry.on(manifestPath(repository, large.descriptor.digest), manifest(large))
    },
    code: 'out_of_range',
    says: /4 MiB|4194304/,
  },
  'a manifest with another digest than it was asked for by': {
    serve: (repository) => {
      registry.on(manifestPath(repository, 'latest'), manifest(image.manifest, { digest: digest('a') }))
      registry.on(manifestPath(repository, digest('a')), manifest(image.manifest, { digest: digest('a') }))
    },
    code: 'data_loss',
    says: /sha256:a{64}/,
  },
  'a layer that is other bytes': {
    serve: serving((repository) => registry.on(blobPath(repository, layer.descriptor.digest), bytes(Buffer.alloc(layer.bytes.length)))),
    code: 'data_loss',
    says: /./,
  },
  'a layer that ends early': {
    serve: serving((repository) =>
      registry.on(blobPath(repository, layer.descriptor.digest), bytes(layer.bytes, { endAfter: 1000, ranges: 'ignored' })),
    ),
    code: 'data_loss',
    says: /1000 bytes/,
  },
  'a layer that is always cut off': {
    serve: serving((repository) =>
      registry.on(blobPath(repository, layer.descriptor.digest), bytes(layer.bytes, { cutAfter: 1000, ranges: 'ignored' })),
    ),
    code: 'unavailable',
    says: /at byte 1000/,
  },
  'a layer nobody has': {
    serve: serving((repository) => registry.on(blobPath(repository, layer.descriptor.digest), status(404))),
    code: 'not_found',
    says: /404/,
  },
  'a layer that unpacks to something else than the config says': {
    serve: async (repository) => {
      const own = layerOf(archive(file('x', repository)))
      serveImage(registry, repository, await makeImage({ layers: [{ ...own, diffId: digest('b') }] }))
    },
    code: 'data_loss',
    says: /sha256:b{64}/,
  },
  'a layer that is no archive': {
    serve: async (repository) => serveLayer(repository, Buffer.from(`not a tar ${repository}`.repeat(100))),
    code: 'data_loss',
    says: /./,
  },
  'a layer that is damaged inside': {
    serve: async (repository) => {
      const whole = layerOf(archive(file('x', randomBytes(100_000))))
      const cut = blobOf(whole.descriptor.mediaType, whole.bytes.subarray(0, 50_000))
      serveImage(registry, repository, await makeImage({ layers: [{ ...cut, diffId: whole.diffId }] }))
    },
    code: 'data_loss',
    says: /./,
  },
  'a layer with a directory in the way of itself': {
    serve: async (repository) => serveLayer(repository, archive(file('a', repository), file('a/b', 'x'))),
    code: 'data_loss',
    says: /a.*is not a directory/,
  },
}

function answering(code: number) {
  return (repository: string) =>
    registry.on(manifestPath(repository, 'latest'), status(code, { errors: [{ code: 'X', message: 'as told' }] }))
}

/** The image as it is, but for what is said. */
function serving(change: (repository: string) => void) {
  return (repository: string) => {
    serveImage(registry, repository, image)
    change(repository)
  }
}

async function serveLayer(repository: string, tar: Buffer): Promise<void> {
  serveImage(registry, repository, await makeImage({ layers: [layerOf(tar)] }))
}

describe('a pull fails in one line, and leaves nothing behind, of', () => {
  for (const [what, { serve, reference, code, says }] of Object.entries(faults)) {
    test(what, async () => {
      const repository = `fault-${Object.keys(faults).indexOf(what)}`
      await serve?.(repository)
      const ran = await node.run('dist', ['pull', reference ?? `${registry.host}/${repository}:latest`])
      expect(complaint(ran, code)).toMatch(says)
      expect(ran.stderr).toContain(reference?.split(':')[0] ?? repository)
      expect(await remains(node, { partial: true })).toEqual([])
    })
  }
})

test('whatever failed, no image was recorded', async () => {
  expect((await node.run('dist', ['images'])).stdout).toBe('')
})

test('a layer that tries to get out stays inside', async () => {
  await using outside = await tempDirectory()
  const escaping = layerOf(
    archive(
      file('../../../../../../../../tmp/up', 'x'),
      symlink(outside.path, 'absolute'),
      directory(outside.path.slice(1)),
      file('absolute/through', 'x'),
      symlink('../../../../../..', 'relative'),
      file('relative/above', 'x'),
    ),
  )
  const escaped = await makeImage({ layers: [escaping] })
  const ran = await node.run('dist', ['pull', serveImage(registry, 'escaping', escaped)])
  expect(ran).toMatchObject({ exitCode: 0, stderr: '' })
  const names = [...(await snapshotTree(node, escaped)).keys()]
  expect(names).toEqual(expect.arrayContaining(['tmp/up', 'above', `${outside.path.slice(1)}/through`]))
  await expect(readFile(join(outside.path, 'through'))).rejects.toThrow('ENOENT')
  await expect(readFile('/tmp/up')).rejects.toThrow('ENOENT')
  await expect(readFile('/above')).rejects.toThrow('ENOENT')
})

test('a reference that is none', async () => {
  expect(complaint(await node.run('dist', ['pull', 'NOT/A:reference:']), 'invalid_argument')).toContain('NOT/A:reference:')
})

test('a platform, and a driver, there are none of', async () => {
  const reference = serveImage(registry, 'whole', image)
  expect(complaint(await node.run('dist', ['pull', '--driver', 'zfs', reference]), 'unimplemented')).toContain('zfs')
  expect(complaint(await node.run('dist', ['pull', '--platform', 'plan9/mips', reference]), 'not_found')).toContain('plan9/mips')
})

describe('a run fails in one line, and leaves nothing behind, of', () => {
  test('an image that is not here', async () => {
    const reference = `${registry.host}/not/pulled:latest`
    expect(complaint(await node.run('ctr', ['run', '--rm', '--id', 'none', reference]), 'not_found')).toContain(reference)
    await nothingRan()
  })

  test('a command the image does not have', async () => {
    const reference = await pulled()
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'missing', reference, 'no-such-command'])
    expect(complaint(ran)).toContain('no-such-command')
    expect(Object.values(failures).map(({ exit }) => exit)).toContain(ran.exitCode)
    await nothingRan()
  })

  test('a user the image does not have', async () => {
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'nobody', '--user', 'no-such-user', await pulled(), 'id'])
    expect(complaint(ran)).toContain('no-such-user')
    await nothingRan()
  })

  test('a directory the command cannot be in', async () => {
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'nowhere', '--cwd', '/etc/passwd', await pulled(), 'id'])
    expect(complaint(ran)).toContain('/etc/passwd')
    await nothingRan()
  })

  async function nothingRan(): Promise<void> {
    expect((await node.run('ctr', ['tasks', 'ls'])).stdout).toBe('')
    expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
    expect(await remains(node, { partial: true })).toEqual([])
  }
})

async function pulled(): Promise<string> {
  const reference = serveImage(registry, 'whole', image)
  expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0, stderr: '' })
  return reference
}
