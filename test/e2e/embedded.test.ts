import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxImage } from '../../ops/lab/images.ts'
import { complaint } from '../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry, status } from '../support/hostile-registry.ts'
import { type Ran, run } from '../support/node.ts'
import { remainsOf } from '../support/remains.ts'
import { manifestPath, serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let root: string

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  root = scope.use(await tempDirectory()).path
})
afterAll(() => scope.disposeAsync())

test('an image is pulled, listed and run without a node, and nothing is left running', async () => {
  const reference = serveImage(registry, 'busybox', await busyboxImage())
  expect(await embedded('dist', 'pull', reference)).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('elapsed') })
  expect(await remainsOf(root)).toEqual([])

  expect((await embedded('dist', 'images')).stdout).toContain(reference)
  const script = 'cat; echo err >&2; exit 3'
  const ran = await run('ctr', ['run', '--embedded', '--root', root, '--rm', reference, 'sh', '-c', script], { input: 'through' })
  expect(ran).toEqual({ exitCode: 3, stdout: 'through', stderr: 'err\n' })
  expect(await remainsOf(root)).toEqual([])
})

test('what fails without a node fails as it does with one, and nothing is left running', async () => {
  registry.on(manifestPath('none', 'latest'), status(404))
  expect(complaint(await embedded('dist', 'pull', `${registry.host}/none:latest`), 'not_found')).toContain('/none:latest')
  expect(complaint(await embedded('ctr', 'run', '--rm', `${registry.host}/other:latest`), 'not_found')).toContain('/other:latest')
  expect(await remainsOf(root)).toEqual([])
})

const embedded = (program: 'dist' | 'ctr', verb: string, ...words: string[]): Promise<Ran> =>
  run(program, [verb, '--embedded', '--root', root, ...words])
