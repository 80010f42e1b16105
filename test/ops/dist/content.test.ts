import { execFileSync } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeImage } from '../../../ops/lab/images.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { command, type Program, type RunningNode, startNode } from '../../support/node.ts'
import { serveImage } from '../../support/served-image.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
})
afterAll(() => scope.disposeAsync())

const dist = (...args: string[]) => node.run('dist', args)
/** What a command that must succeed prints. */
async function said(program: Program, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const stored = async (text: string): Promise<string> => (await node.run('dist', ['ingest', text], { input: text })).stdout.trim()
const missing = `sha256:${'0'.repeat(64)}`
/** What it prints to somebody who sits at a terminal. */
const shown = (...args: string[]): string =>
  execFileSync('script', ['-qec', `${command('dist')} ${args.join(' ')}`, '/dev/null'], {
    env: { ...process.env, GANTRY_ROOT: node.root },
    encoding: 'utf8',
  })

test('blobs are listed: lines for programs, a table for people, JSON', async () => {
  const digest = await stored('listed')
  const line = (await said('dist', 'list')).split('\n').find((one) => one.startsWith(digest))
  expect(line?.split('\t')).toEqual([digest, '6', expect.stringMatching(/^\d{4}-.*Z$/)])
  expect((await said('dist', 'list', '-q')).split('\n')).toContain(digest)
  expect(shown('list')).toMatch(/^DIGEST +SIZE +AGE\r\n/)
  expect(shown('list')).toMatch(new RegExp(`${digest}  6 B +(now|\\d+[smh] ago)\\r\\n`))
  expect((await said('ctr', 'content', 'ls', '--json', '--filter', `digest==${digest}`)).split('\n').map((one) => JSON.parse(one))).toEqual(
    [expect.objectContaining({ digest, size: 6 })],
  )
})

test('listings are narrowed by filters: all conditions of one, any of several', async () => {
  const [small, middle, large] = [await stored('a'), await stored('bb'.repeat(10)), await stored('c'.repeat(100))]
  await said('dist', 'label', small, 'filtered=yes', 'size=s')
  await said('dist', 'label', middle, 'filtered=yes')
  const listed = async (...filters: string[]) =>
    (await said('dist', 'list', '-q', ...filters.flatMap((one) => ['--filter', one]))).split('\n')
  expect(await listed('labels.filtered==yes,labels.size==s')).toEqual([small])
  expect(new Set(await listed('labels.filtered==yes', 'size==100'))).toEqual(new Set([small, middle, large]))
  for (const wrong of ['==', 'size>', 'digest~=(']) complaint(await dist('list', '--filter', wrong), 'invalid_argument')
})

test('labels are set, shown, and taken away', async () => {
  const digest = await stored('labelled')
  expect(await said('dist', 'label', digest, 'a=1', 'b=x=y')).toBe('a=1\nb=x=y')
  expect(await said('dist', 'label', digest, 'a=')).toBe('b=x=y')
  expect(await said('dist', 'label', digest)).toBe('b=x=y')
  expect((await said('ctr', 'content', 'ls', '--filter', `digest==${digest}`)).split('\t')[3]).toBe('b=x=y')
  complaint(await dist('label', digest, 'nonsense'), 'invalid_argument')
  complaint(await dist('label', digest, `k=${'v'.repeat(4096)}`), 'invalid_argument')
  complaint(await dist('label', missing, 'a=1'), 'not_found')
  complaint(await dist('label', 'nonsense', 'a=1'), 'invalid_argument')
})

test('the file of a blob is told, and it has the blob', async () => {
  const digest = await stored('a file')
  const path = await said('dist', 'path', '-q', digest)
  expect(await readFile(path, 'utf8')).toBe('a file')
  expect(await said('dist', 'path', digest)).toBe(`${digest}\t${path}`)
})

test('deleted is what can be, each is said, the others are complained of', async () => {
  const [one, other] = [await stored('one'), await stored('other')]
  const ran = await dist('delete', one, missing, 'nonsense', other)
  expect(ran).toMatchObject({ stdout: `${one}\n${other}\n`, exitCode: 3 })
  expect(ran.stderr.trimEnd().split('\n')).toHaveLength(2)
  complaint(await dist('path', one), 'not_found')
})

test('an ingest nobody knows is not there to be aborted', async () => {
  complaint(await dist('abort', 'nobody knows'), 'not_found')
})

test('what the store takes up is said', async () => {
  const { blobs, ingests, free } = JSON.parse(await said('dist', 'usage', '--json'))
  expect({ blobs, ingests, free }).toEqual({
    blobs: { count: expect.any(Number), size: expect.any(Number) },
    ingests: { count: 0, size: 0 },
    free: expect.any(Number),
  })
  expect((await said('dist', 'usage')).split('\n').map((line) => line.split('\t')[0])).toEqual(['blobs', 'ingests', 'free'])
})

describe('verify', () => {
  const damage = async (digest: string) => {
    const path = await said('dist', 'path', '-q', digest)
    await chmod(path, 0o600)
    await writeFile(path, 'rotten')
  }

  test('finds what is damaged, and what is not', async () => {
    const [sound, rotten] = [await stored('a sound one'), await stored('a rotten one')]
    expect(await said('dist', 'verify', sound)).toBe(`${sound}\tsound`)
    await damage(rotten)
    const ran = await dist('verify', sound, rotten)
    expect(complaint(ran, 'data_loss')).toBe('dist: verify what is here: 1 of 2 are damaged')
    expect(ran.stdout).toMatch(new RegExp(`^${rotten}\tdamaged\t.+$`, 'm'))
    expect((await dist('verify')).stdout.trim().split('\n').length).toBeGreaterThan(2)
    expect(await node.run('gantry', ['scrub', '--kind', 'content'])).toMatchObject({
      exitCode: 13,
      stdout: expect.stringContaining(`content\t${rotten}\tdamaged\t`),
    })
    expect(await dist('verify', '--repair', rotten)).toMatchObject({ exitCode: 13 })
    await said('dist', 'delete', rotten)
    expect((await dist('verify')).exitCode).toBe(0)
  })

  test('repairs what came from a registry', async () => {
    const image = await makeImage({ layers: [[{ name: 'b', content: 'repaired' }]] })
    await said('dist', 'fetch', serveImage(registry, 'repair', image))
    const { digest } = image.config.descriptor
    await damage(digest)
    expect(await said('dist', 'verify', '--repair', digest)).toMatch(new RegExp(`^${digest}\trepaired\t`))
    expect(await said('dist', 'verify', digest)).toBe(`${digest}\tsound`)
    expect(await said('gantry', 'scrub', '--json', digest)).toContain('"state":"sound"')
  })

  test('of what is not there, or is no digest, is refused', async () => {
    complaint(await dist('verify', missing), 'not_found')
    complaint(await dist('verify', 'nonsense'), 'invalid_argument')
    expect(await node.run('gantry', ['scrub', '--kind', 'images'])).toMatchObject({ exitCode: 2 })
  })
})

test('an image is fetched whole and not unpacked', async () => {
  const image = await makeImage({ layers: [[{ name: 'c', content: 'fetched' }]] })
  const reference = serveImage(registry, 'fetched', image)
  expect(await said('dist', 'fetch', reference)).toMatch(/^done\tlayer\t/m)
  const parts = [image.manifest, image.config, ...image.layers].map(({ descriptor }) => descriptor.digest)
  expect((await said('dist', 'list', '-q')).split('\n')).toEqual(expect.arrayContaining(parts))
  expect(await said('ctr', 'snapshots', 'ls')).toBe('')
  expect(await said('dist', 'fetch', '--json', reference)).toContain('"exists"')
  expect(await said('dist', 'fetch', '--detach', reference)).toMatch(/^\S+$/)
})
