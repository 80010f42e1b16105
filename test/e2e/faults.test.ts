import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Code, failures } from '../../messages/grammar/index.ts'
import { blobOf, busyboxImage, type Image, json, type Layer, makeImage } from '../../ops/lab/images.ts'
import { complaint } from '../support/complaint.ts'
import {
  type Behaviour,
  bytes,
  challenge,
  guarded,
  type HostileRegistry,
  manifest,
  startHostileRegistry,
  status,
} from '../support/hostile-registry.ts'
import { archive, directory, file, link, symlink } from '../support/layers.ts'
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

/** Sent in tokens and addresses; nothing may say or log it. */
const secret = 'hunter2'

const digest = (letter: string) => `sha256:${letter.repeat(64)}`

const faults: Readonly<Record<string, Fault>> = {
  'a host nobody knows': { reference: 'no-such-host.invalid/library/x:latest', code: 'unavailable', says: /no-such-host\.invalid/ },
  'a host that refuses connections': {
    reference: '127.0.0.1:1/library/x:latest',
    code: 'unavailable',
    says: /ECONNREFUSED 127\.0\.0\.1:1$/,
  },
  'no such repository': { serve: () => {}, code: 'not_found', says: /resolve .*\/manifests\/latest answered 404$/ },
  'no such tag': {
    serve: (repository) =>
      registry.on(manifestPath(repository, 'latest'), status(404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] })),
    code: 'not_found',
    says: /answered 404/,
  },
  'a registry that wants credentials': {
    serve: (repository) => registry.on(manifestPath(repository, 'latest'), challenge('Basic realm="it"')),
    code: 'unauthenticated',
    says: /asks for basic credentials, and there are none$/,
  },
  'a registry that wants a token, whose token server wants credentials': {
    serve: wantingToken(status(401, { errors: [{ code: 'UNAUTHORIZED', message: 'as told' }] })),
    code: 'unauthenticated',
    says: /GET \S+\/token\?… answered 401 \(UNAUTHORIZED: as told\)$/,
  },
  'a registry that wants a token, whose token server forbids': {
    serve: wantingToken(status(403)),
    code: 'permission_denied',
    says: /GET \S+\/token\?… answered 403$/,
  },
  'a registry that wants a token, whose token server gives none': {
    serve: wantingToken(status(200, { token: '' })),
    code: 'unauthenticated',
    says: /ask \S+\/token\?… for a token: the answer has none$/,
  },
  'a registry that wants a token, and does not take the one it gave': {
    serve: wantingToken(status(200, { token: secret })),
    code: 'unauthenticated',
    says: /\/manifests\/latest answered 401/,
  },
  'a registry that wants a token, whose token server cannot be reached': {
    serve: wantingToken(undefined),
    code: 'unavailable',
    says: /GET http:\/\/127\.0\.0\.1:1\/token\?…: connect ECONNREFUSED 127\.0\.0\.1:1$/,
  },
  'a registry that wants a token, and has it sent for unencrypted': {
    serve: wantingToken(undefined, 'ftp://elsewhere.invalid'),
    code: 'unauthenticated',
    says: /sends for a token to .*, which is not encrypted$/,
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
    says: /commit ingest .*: what is there is sha256:[0-9a-f]{64}, not sha256:[0-9a-f]{64}$/,
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
    says: /bring layer .*: invalid archive: .* wrong checksum$/,
  },
  'a layer that is damaged inside': {
    serve: async (repository) => {
      const whole = layerOf(archive(file('x', randomBytes(100_000))))
      const cut = blobOf(whole.descriptor.mediaType, whole.bytes.subarray(0, 50_000))
      serveImage(registry, repository, await makeImage({ layers: [{ ...cut, diffId: whole.diffId }] }))
    },
    code: 'data_loss',
    says: /bring layer .*: invalid archive: it does not uncompress/,
  },
  'a layer with a link to a file outside': {
    serve: async (repository) => {
      const out = archive(file('a', repository), link('../../../../../../../../etc/hostname', 'b'))
      serveImage(registry, repository, await makeImage({ layers: [layerOf(archive(file('below', 'x'))), layerOf(out)] }))
    },
    code: 'data_loss',
    says: /"b": a hard link to "\.\..*\/etc\/hostname", which is not there$/,
  },
  'a first layer with a link to a file that is nowhere': {
    serve: async (repository) => serveLayer(repository, archive(file('a', repository), link('c', 'b'))),
    code: 'data_loss',
    says: /"b": a hard link to "c", which is not there$/,
  },
  'a layer with a directory in the way of itself': {
    serve: async (repository) => serveLayer(repository, archive(file('a', repository), file('a/b', 'x'))),
    code: 'data_loss',
    says: /a.*is not a directory/,
  },
}

/** For every request a token is wanted, from `answer`, or where nobody answers; secrets are in all that is sent. */
function wantingToken(answer: Behaviour | undefined, elsewhere = 'http://127.0.0.1:1') {
  return (repository: string) => {
    serveImage(registry, repository, image)
    const path = `/${repository}/token`
    if (answer) registry.on(path, answer)
    const realm = new URL(answer ? `${registry.url}${path}` : `${elsewhere}/token`)
    realm.username = 'somebody'
    realm.password = secret
    realm.searchParams.set('key', secret)
    registry.on(manifestPath(repository, 'latest'), challenge(`Bearer realm="${realm}",service="it",scope="repository:${repository}:pull"`))
  }
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
      expect(ran.stdout + ran.stderr + node.log()).not.toContain(secret)
      expect(await remains(node, { partial: true })).toEqual([])
    })
  }
})

test('whatever failed, no image was recorded', async () => {
  expect((await node.run('dist', ['images'])).stdout).toBe('')
})

test('a registry that gives everybody a token for the asking is pulled from', async () => {
  const reference = serveImage(registry, 'tokens', image)
  const asking = challenge(`Bearer realm="${registry.url}/tokens/token",service="it",scope="repository:tokens:pull"`)
  const behind = (behaviour: Behaviour) => guarded(secret, behaviour, asking)
  registry.on('/tokens/token', status(200, { access_token: secret, expires_in: 300 }))
  registry.on(manifestPath('tokens', 'latest'), behind(manifest(image.manifest)))
  registry.on(manifestPath('tokens', image.manifest.descriptor.digest), behind(manifest(image.manifest)))
  for (const { descriptor, bytes: content } of [image.config, ...image.layers])
    registry.on(blobPath('tokens', descriptor.digest), behind(bytes(content)))
  expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0, stderr: '' })
  const asked = registry.seen.filter(({ path }) => path.startsWith('/tokens/token'))
  expect(asked.map(({ path }) => path)).toEqual(['/tokens/token?service=it&scope=repository%3Atokens%3Apull'])
  expect(node.log()).not.toContain(secret)
  expect(await node.run('dist', ['rmi', reference])).toMatchObject({ exitCode: 0 })
  expect(await remains(node, { partial: true })).toEqual([])
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
  expect(await remains(node, { partial: true })).toEqual([])
})

test('a platform, and a driver, there are none of', async () => {
  const reference = serveImage(registry, 'whole', image)
  expect(complaint(await node.run('dist', ['pull', '--driver', 'zfs', reference]), 'unimplemented')).toContain('zfs')
  expect(complaint(await node.run('dist', ['pull', '--platform', 'plan9/mips', reference]), 'not_found')).toContain('plan9/mips')
  expect(await remains(node, { partial: true })).toEqual([])
})

/** What is run amiss, of an image whose config is amiss or not. */
interface Misrun {
  readonly config?: Readonly<Record<string, string>>
  readonly words: readonly string[]
  readonly code: Code
  readonly says: RegExp
}

const misruns: Readonly<Record<string, Misrun>> = {
  'a command the image does not have': {
    words: ['', 'no-such-command'],
    code: 'not_found',
    says: /the image has no program no-such-command$/,
  },
  'a path the image does not have': { words: ['', '/no/such'], code: 'not_found', says: /the image has no program \/no\/such$/ },
  'a command that may not be executed': { words: ['', '/plain'], code: 'permission_denied', says: /\/plain may not be executed$/ },
  'a command that is a directory': { words: ['', '/etc'], code: 'permission_denied', says: /\/etc may not be executed$/ },
  'a user the image does not have': {
    words: ['--user', 'ghost', '', 'id'],
    code: 'invalid_argument',
    says: /run as user "ghost": the image has no user "ghost"$/,
  },
  'a group the image does not have': {
    words: ['--user', 'root:ghosts', '', 'id'],
    code: 'invalid_argument',
    says: /run as user "root:ghosts": the image has no group "ghosts"$/,
  },
  'a user the image names and does not have': {
    config: { User: 'ghost' },
    words: ['', 'id'],
    code: 'invalid_argument',
    says: /run as user "ghost": the image has no user "ghost"$/,
  },
  'a group the image names and does not have': {
    config: { User: '1:ghosts' },
    words: ['', 'id'],
    code: 'invalid_argument',
    says: /run as user "1:ghosts": the image has no group "ghosts"$/,
  },
  'a directory that is a file': {
    words: ['--cwd', '/etc/passwd', '', 'id'],
    code: 'failed_precondition',
    says: /create task one: .*\/etc\/passwd.*not a directory$/i,
  },
  'a directory below a file': {
    words: ['--cwd', '/etc/passwd/below', '', 'id'],
    code: 'failed_precondition',
    says: /create task one: .*\/etc\/passwd.*not a directory$/i,
  },
  'a directory the image names, and that is a file': {
    config: { WorkingDir: '/etc/passwd' },
    words: ['', 'id'],
    code: 'failed_precondition',
    says: /create task one: .*\/etc\/passwd.*not a directory$/i,
  },
}

describe('a run fails in one line, and leaves nothing behind, of', () => {
  test('an image that is not here', async () => {
    const reference = `${registry.host}/not/pulled:latest`
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'none', reference])
    expect(complaint(ran, 'not_found')).toContain(`create container none: image ${reference} is not here`)
    await nothingRan()
  })

  for (const [what, { config, words, code, says }] of Object.entries(misruns)) {
    test(what, async () => {
      const reference = await pulled(config)
      const ran = await node.run('ctr', ['run', '--rm', '--id', 'one', ...words.map((word) => word || reference)])
      expect(complaint(ran, code)).toMatch(says)
      expect(ran.stdout).toBe('')
      await nothingRan()
    })
  }

  test('a script whose interpreter the image does not have', async () => {
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'one', await pulled(), '/script'])
    // some runtimes see it before they have started it and some after, when it is an end like any other
    expect([failures.not_found.exit, 1]).toContain(ran.exitCode)
    expect(ran.stderr.trimEnd().split('\n')).toEqual([expect.stringContaining('/script')])
    await nothingRan()
  })
})

test('a directory that is not there is made, as by any runtime, and belongs to root', async () => {
  const script = ['sh', '-c', 'pwd; stat -c %u .']
  const options = ['run', '--rm', '--id', 'one', '--user', 'daemon']
  for (const words of [
    ['--cwd', '/not/there', await pulled(), ...script],
    [await pulled({ WorkingDir: '/not/there' }), ...script],
  ])
    expect(await node.run('ctr', [...options, ...words])).toEqual({ exitCode: 0, stdout: '/not/there\n0\n', stderr: '' })
  await nothingRan()
})

test('what a shell inside does not find, or may not execute, is the shell’s to say', async () => {
  const reference = await pulled()
  const shell = (script: string) => node.run('ctr', ['run', '--rm', '--id', 'one', reference, 'sh', '-c', script])
  expect(await shell('no-such-command')).toMatchObject({ exitCode: 127, stderr: expect.stringMatching(/^sh: .*not found\n$/) })
  expect(await shell('/plain')).toMatchObject({ exitCode: 126, stderr: expect.stringMatching(/^sh: .*denied\n$/) })
  await nothingRan()
})

async function nothingRan(): Promise<void> {
  expect((await node.run('ctr', ['tasks', 'ls'])).stdout).toBe('')
  expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
  expect(await remains(node, { partial: true })).toEqual([])
}

/** An image that can be run, and cannot as its config says. */
async function pulled(config: Readonly<Record<string, string>> = {}): Promise<string> {
  const files = [
    { name: 'plain', content: 'x' },
    { name: 'script', content: '#!/no/such/interpreter\n', mode: 0o755 },
  ]
  const reference = serveImage(
    registry,
    ['run', ...Object.keys(config)].join('-').toLowerCase(),
    await busyboxImage({ config, layers: [files] }),
  )
  expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0, stderr: '' })
  return reference
}
