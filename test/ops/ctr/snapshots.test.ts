import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { chainIds } from '../../../messages/words/index.ts'
import { makeImage } from '../../../ops/lab/images.ts'
import { unmount } from '../../../runtime/mounts.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../../support/node.ts'
import { blobPath, held, serveImage } from '../../support/served-image.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
const drivers = ['overlay', 'native']
let registry: HostileRegistry
let node: RunningNode
let directory: Awaited<ReturnType<typeof tempDirectory>>
let chain: string[]

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  directory = scope.use(await tempDirectory())
  node = scope.use(await startNode())
  const image = await makeImage({ layers: [[{ name: 'base', content: 'base' }], [{ name: 'top', content: 'top' }]] })
  const reference = serveImage(registry, 'two', image)
  chain = chainIds(image.layers.map(({ diffId }) => diffId))
  for (const driver of drivers) await succeeding('dist', 'pull', '--driver', driver, reference)
})
afterAll(() => scope.disposeAsync())

async function succeeding(program: 'dist' | 'ctr' | 'gantry', ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const said = (...args: string[]): Promise<string> => succeeding('ctr', 'snapshots', ...args)
const failing = (...args: string[]) => node.run('ctr', ['snapshots', ...args])
const rows = async (...args: string[]): Promise<string[][]> => (await said(...args)).split('\n').map((line) => line.split('\t'))

/** Run what was printed as a person would paste it, look, and take it away. */
async function pasted<T>(line: string, at: string, look: () => Promise<T>): Promise<T> {
  await promisify(execFile)('sh', ['-c', line])
  try {
    return await look()
  } finally {
    await unmount(at)
  }
}

async function target(name: string): Promise<string> {
  const path = join(directory.path, name)
  await mkdir(path)
  return path
}

for (const driver of drivers) {
  test(`a snapshot of ${driver} is prepared, mounted by the command that is printed, written to, committed and removed`, async () => {
    const [base = '', top = ''] = chain
    const on = ['--driver', driver]
    const at = await target(`at ${driver}'s`)
    const line = await said('prepare', ...on, '--target', at, '--label', 'of=me', 'mine', top)
    expect(await said('mounts', ...on, at, 'mine')).toBe(line)
    expect(line).toBe(`${await said('mounts', ...on, 'mine')} '${at.replace("'", "'\\''")}'`)
    await pasted(line, at, async () => {
      expect((await readdir(at)).toSorted()).toEqual(['base', 'top'])
      await writeFile(join(at, 'new'), 'new')
    })
    expect(await said('label', ...on, 'mine')).toBe('of=me')
    expect(await said('label', ...on, 'mine', 'of=', 'for=you')).toBe('for=you')
    expect(await said('commit', ...on, '--label', 'by=them', 'named', 'mine')).toBe('named')
    expect(await said('label', ...on, 'named')).toBe('by=them')

    const view = await said('view', ...on, '--target', at, 'look', 'named')
    await pasted(view, at, async () => {
      expect(await readFile(join(at, 'new'), 'utf8')).toBe('new')
      await expect(writeFile(join(at, 'more'), '')).rejects.toMatchObject({ code: 'EROFS' })
    })
    expect(await said('tree', ...on)).toBe([base, `└── ${top}`, '    └── named', '        └── look (view)'].join('\n'))
    complaint(await failing('rm', ...on, 'named'), 'failed_precondition')
    expect(await said('rm', ...on, 'look', 'named')).toBe('look\nnamed')
  })
}

test('all there is is listed, by another name too, in JSON too, and only what is asked for', async () => {
  const [base = '', top = ''] = chain
  expect((await rows('list')).map(([key, parent, kind, driver]) => [key, parent, kind, driver]).toSorted()).toEqual(
    [
      [base, '', 'committed', 'overlay'],
      [top, base, 'committed', 'overlay'],
    ].toSorted(),
  )
  expect(await said('ls', '-q', '--filter', `parent==${base}`)).toBe(top)
  expect(JSON.parse(await said('ls', '--json', '--filter', `parent==${base}`))).toMatchObject({ key: top, kind: 'committed' })
  expect(JSON.parse(await said('tree', '--json'))).toEqual({
    key: base,
    kind: 'committed',
    children: [{ key: top, kind: 'committed', children: [] }],
  })
})

test('of one all that is known is said in JSON, and of each what it takes up, in bytes', async () => {
  const [base = '', top = ''] = chain
  const info = await said('info', top)
  expect(info.split('\n').length).toBeGreaterThan(1)
  expect(JSON.parse(info)).toMatchObject({ key: top, parent: base, kind: 'committed', driver: 'overlay' })
  expect(await said('info', '--json', top)).toBe(JSON.stringify(JSON.parse(info)))
  const [[key, size, inodes, ...more] = []] = await rows('usage', top)
  expect([key, Number(size) > 0, inodes, more]).toEqual([top, true, '2', []])
  expect((await rows('usage')).map(([one]) => one).toSorted()).toEqual([...chain].toSorted())
})

test('how far a snapshot is that is being unpacked is told beside it', async () => {
  const image = await makeImage({
    layers: [
      [
        { name: 'first', content: 'first' },
        { name: 'large', content: randomBytes(4 * 1024 * 1024) },
      ],
    ],
  })
  const reference = serveImage(registry, 'slow', image)
  const [layer] = image.layers
  if (!layer) throw new Error('one was made')
  const gate = Promise.withResolvers<void>()
  registry.on(blobPath('slow', layer.descriptor.digest), held(layer.bytes, { before: 2 * 1024 * 1024, until: gate.promise }))
  const pulling = succeeding('dist', 'pull', reference)
  try {
    const underway = async () => {
      const active = (await said('ls', '--json', '--filter', 'kind==active')).split('\n').filter(Boolean)
      return active.map((line) => JSON.parse(line))
    }
    const key = `layer-${layer.diffId}`
    const some = { size: layer.descriptor.size, entries: 2, written: expect.any(Number), offset: expect.any(Number) }
    await expect.poll(underway, { timeout: 30_000 }).toEqual([expect.objectContaining({ key, unpacking: some })])
    const [row = []] = await rows('ls', '--filter', 'kind==active')
    expect([row[0], Number(row[5]) > 0, row[6]]).toEqual([key, true, '2'])
  } finally {
    gate.resolve()
  }
  expect((await pulling).split('\n').at(-1)).toMatch(/ {3}unpacked 4\.0 MiB, 2 entries$/)
  expect(await said('ls', '--filter', 'kind==active')).toBe('')
})

test('bad words are one line and an exit code by class', async () => {
  complaint(await failing('info', 'nobody'), 'not_found')
  complaint(await failing('mounts', 'nobody'), 'not_found')
  complaint(await failing('mounts', '/a', '/b', 'nobody'), 'invalid_argument')
  complaint(await failing('mounts', chain[0] ?? ''), 'failed_precondition')
  complaint(await failing('prepare', 'mine', 'nobody'), 'not_found')
  complaint(await failing('prepare', '--label', 'wrong', 'mine'), 'invalid_argument')
  complaint(await failing('ls', '--driver', 'none'), 'unimplemented')
  const { stdout, stderr, exitCode } = await failing('usage', 'nobody', chain[0] ?? '')
  expect([stdout.startsWith(chain[0] ?? ''), stderr.trimEnd().split('\n').length, exitCode]).toEqual([true, 1, 3])
})
