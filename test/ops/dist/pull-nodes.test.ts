import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { failures } from '../../../messages/grammar/index.ts'
import type { pull } from '../../../messages/pull.ts'
import { type Image, makeImage } from '../../../ops/lab/images.ts'
import { client } from '../../../runtime/bus/client.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { begin } from '../../support/node.ts'
import { type Nodes, startNodes } from '../../support/nodes.ts'
import { blobPath, held, serveImage } from '../../support/served-image.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const names = ['n1', 'n2', 'n3']
const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let nodes: Nodes

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  nodes = scope.use(await startNodes(names))
})
afterAll(() => scope.disposeAsync())

const dist = (...args: string[]) => nodes.node('n1').run('dist', args)
const objects = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .toSorted((one, other) => one.node.localeCompare(other.node))

async function images(): Promise<Record<string, string[]>> {
  const lists = names.map(async (name) => {
    const { stdout } = await nodes.node(name).run('dist', ['images', '--json'])
    return [name, stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line).name] : []))] as const
  })
  return Object.fromEntries(await Promise.all(lists))
}

/** Have it stand still with the layer half there, until told to go on. */
function serveSlowly(repository: string, image: Image) {
  const reference = serveImage(registry, repository, image)
  const [layer] = image.layers
  const { promise: until, resolve: go } = Promise.withResolvers<void>()
  registry.on(blobPath(repository, layer?.descriptor.digest ?? ''), held(layer?.bytes ?? Buffer.of(), { before: 100_000, until }))
  return { reference, go }
}
const large = (content: string) =>
  makeImage({ layers: [{ entries: [{ name: 'a', content: Buffer.alloc(1_000_000, content) }], compression: 'none' }] })

test('an image is pulled on all nodes by one command, which tells of each from where it came', async () => {
  const image = await large('a')
  const reference = serveImage(registry, 'everywhere', image)
  const { stdout, stderr, exitCode } = await dist('pull', '--all-nodes', '--json', reference)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  const told = objects(stdout)
  expect(told).toMatchObject(
    names.map((node) => ({ node, state: 'done', ticket: expect.any(String), digest: image.manifest.descriptor.digest })),
  )
  const size = image.layers[0]?.bytes.length ?? 0
  for (const { bytes, total, sources } of told) {
    expect(bytes).toBe(total)
    const peers = Object.values(sources.peers as Record<string, number>).reduce((sum, one) => sum + one, 0)
    expect(sources.origin + peers).toBe(size)
  }
  expect(told.reduce((sum, { sources }) => sum + sources.origin, 0)).toBe(size)
  expect(await images()).toEqual(Object.fromEntries(names.map((name) => [name, [reference]])))
})

test('nodes may be named; one that drains is passed over, one that fails or is not there makes the exit code', async () => {
  const reference = serveImage(registry, 'named', await makeImage({ layers: [[{ name: 'b', content: 'b' }]] }))
  await nodes.node('n2').run('gantry', ['drain'])
  try {
    const some = await dist('pull', '--nodes', 'n1,n2', reference)
    expect(some).toMatchObject({ exitCode: 0, stderr: 'dist: passed over: n2 drains\n' })
    expect(some.stdout).toMatch(/^n1\tdone\t(\d+)\t\1\t/m)
    expect(Object.entries(await images()).filter(([, all]) => all.includes(reference))).toEqual([['n1', expect.any(Array)]])
    complaint(
      await dist('pull', '--nodes', 'n2', reference).then((ran) => ({ ...ran, stderr: ran.stderr.replace(/^.*drains\n/, '') })),
      'failed_precondition',
    )
  } finally {
    await nodes.node('n2').run('gantry', ['drain', '--undo'])
  }
  const absent = await dist('pull', '--nodes', 'n1,n9', '--json', reference)
  expect(complaint(absent, 'unavailable')).toContain('node n9 does not answer')
  expect(objects(absent.stdout)).toMatchObject([{ node: 'n1', state: 'done' }])
  complaint(await dist('pull', '--nodes', 'n1', '--all-nodes', reference), 'invalid_argument')
  complaint(await dist('pull', '--nodes', 'N1', reference).then((ran) => ({ ...ran, stderr: 'dist: x: y' })), 'invalid_argument')
})

test('each node that fails is named, the others go on', async () => {
  const nowhere = `${registry.host}/nowhere:latest`
  const { stderr, exitCode, stdout } = await dist('pull', '--all-nodes', '--json', nowhere)
  expect(exitCode).toBe(failures.not_found.exit)
  expect(stderr.trimEnd().split('\n').toSorted()).toEqual(names.map((name) => expect.stringMatching(`^dist: on ${name}: `)))
  expect(objects(stdout)).toMatchObject(names.map((node) => ({ node, state: 'failed', why: { code: 'not_found' } })))
})

test('given up, it cancels what it began, and nothing that others began', async () => {
  const { reference, go } = serveSlowly('given-up', await large('c'))
  await using bus = await nodes.node('n1').connect()
  const { ticket } = await client<typeof pull>(bus, { node: 'n1', actor: 'pull' }).start({ reference })
  const { child, ran } = begin('dist', ['pull', '--all-nodes', reference], { env: { GANTRY_ROOT: nodes.node('n1').root } })
  const { promise: fetching, resolve } = Promise.withResolvers<void>()
  let said = ''
  child.stdout.on('data', (piece) => {
    said += piece
    if (names.every((name) => said.includes(`${name}\tfetching\t`))) resolve()
  })
  await fetching
  child.kill('SIGINT')
  expect((await ran).exitCode).toBe(failures.cancelled.exit)
  const states = names.map(async (name) => {
    const { pulls } = await client<typeof pull>(bus, { node: name, actor: 'pull' }).list({})
    return pulls.find((one) => one.reference === reference)?.state === 'cancelled'
  })
  expect(await Promise.all(states)).toEqual([false, true, true])
  go()
  for await (const _ of client<typeof pull>(bus, { node: 'n1', actor: 'pull' }).follow({ ticket }));
})

test('who does not wait is given the tickets', async () => {
  const reference = serveImage(registry, 'detached', await makeImage({ layers: [[{ name: 'd', content: 'd' }]] }))
  const { stdout } = await dist('pull', '--all-nodes', '--detach', reference)
  await using bus = await nodes.node('n1').connect()
  const tickets = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  expect(tickets.map(([node]) => node)).toEqual(names)
  for (const [node = '', ticket = ''] of tickets)
    expect(await client<typeof pull>(bus, { node, actor: 'pull' }).status({ ticket })).toMatchObject({ reference })
})
