import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { node as nodeProtocol } from '../../../messages/node.ts'
import { makeImage } from '../../../ops/lab/images.ts'
import { type Origin, startOrigin } from '../../../ops/lab/origin.ts'
import { client } from '../../../runtime/bus/client.ts'
import { type Nodes, startNodes } from '../../support/nodes.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let origin: Origin
let nodes: Nodes
let reference: string

beforeAll(async () => {
  origin = scope.use(await startOrigin())
  nodes = scope.use(await startNodes(['n1']))
  reference = origin.serve('aged', await makeImage({ layers: [[{ name: 'a', content: 'a' }]] }))
})
afterAll(() => scope.disposeAsync())

const dist = (...args: string[]) => nodes.node('n1').run('dist', args)

test('an answer the cluster has will do, if it is told that it may', async () => {
  expect(await dist('pull', reference)).toMatchObject({ exitCode: 0, stderr: '' })
  expect(origin.requests('HEAD')).toBe(1)
  expect(await dist('pull', '--max-age', '1h', reference)).toMatchObject({ exitCode: 0, stderr: '' })
  expect(origin.requests('HEAD')).toBe(1)
  expect(await dist('pull', reference)).toMatchObject({ exitCode: 0 })
  expect(origin.requests('HEAD')).toBe(2)
})

test('an old answer will do while the registry is away, and is warned of', async () => {
  origin.fail((_, response) => Boolean(response.writeHead(500).end()))
  try {
    expect((await dist('pull', reference)).exitCode).not.toBe(0)
    const { stdout, stderr, exitCode } = await dist('pull', '--stale-if-error', '1h', reference)
    expect({ stdout, exitCode }).toMatchObject({ stdout: expect.stringContaining(reference), exitCode: 0 })
    expect(stderr).toMatch(/^dist: stale: what \S+ stands for was asked for (now|\d+[sm] ago): .*answered 500\n$/)
  } finally {
    origin.fail(undefined)
  }
})

test('a name that is shared is the registry’s again for who demands that', async () => {
  expect(await dist('share', reference)).toMatchObject({ exitCode: 0 })
  origin.reset()
  expect((await dist('pull', reference)).stdout).toMatch(/: shared by n1 (now|\d+[sm] ago)\n$/)
  expect(origin.requests()).toBe(0)
  expect((await dist('pull', '--require-upstream', reference)).stdout).not.toContain('shared by')
  expect(origin.requests('HEAD')).toBe(1)
})

test('how it is known what a name stands for is told to programs', async () => {
  const { stdout } = await dist('pull', '--json', reference)
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    state: 'done',
    resolved: { source: 'shared', by: 'n1', stale: false },
  })
})

test('a node that drains begins no pull and no unpacking, and is asked again when it is up', async () => {
  await using bus = await nodes.node('n1').connect()
  const asked = client<typeof nodeProtocol>(bus, { node: 'n1', actor: 'node' })
  await asked.drain({})
  const refused = /node n1 is draining, it takes nothing new/
  expect(await dist('pull', reference)).toMatchObject({ stderr: expect.stringMatching(refused) })
  expect(await dist('unpack', reference)).toMatchObject({ stderr: expect.stringMatching(refused) })
  await asked.drain({ undo: true })
  expect(await dist('pull', reference)).toMatchObject({ exitCode: 0 })
})
