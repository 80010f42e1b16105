import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ingest } from '../../../messages/ingest.ts'
import type { unpack } from '../../../messages/unpack.ts'
import { digestOf } from '../../../ops/lab/images.ts'
import { client } from '../../../runtime/bus/client.ts'
import { complaint } from '../../support/complaint.ts'
import { archive, directory, file, link, symlink } from '../../support/layers.ts'
import { begin, type Ran, type RunningNode, run, startNode } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let home: string
let node: RunningNode

beforeAll(async () => {
  home = scope.use(await tempDirectory()).path
  node = scope.use(await startNode({ args: ['--only', 'node', 'content', 'ingest', 'unpack', 'lease', 'gc'] }))
})
afterAll(() => scope.disposeAsync())

async function target(name: string): Promise<string> {
  const path = join(home, name)
  await mkdir(path)
  return path
}
const apply = (input: Uint8Array, ...args: string[]): Promise<Ran> => node.run('dist', ['apply', ...args], { input })

/** Blobs, ingests and leases that are left once the collector has run. */
async function left(): Promise<string> {
  const of = async (program: 'dist' | 'ctr' | 'gantry', ...args: string[]) => (await node.run(program, args)).stdout
  await of('gantry', 'gc')
  return (await of('dist', 'list', '-q')) + (await of('dist', 'active')) + (await of('ctr', 'leases', 'ls'))
}

const layer = archive(directory('d/'), file('d/f', 'hello'), symlink('f', 'd/l'), file('of.wh', 'no deletion'))
const packings = [
  ['as it is', (tar: Buffer) => tar],
  ['by gzip', (tar: Buffer) => gzipSync(tar)],
  ['by zstd', (tar: Buffer) => zstdCompressSync(tar)],
] as const

for (const [how, pack] of packings) {
  test(`a layer packed ${how} is applied to a directory, and its diffId printed`, async () => {
    const at = await target(how)
    expect(await apply(pack(layer), '--expected', digestOf(layer), at)).toEqual({ stdout: `${digestOf(layer)}\n`, stderr: '', exitCode: 0 })
    expect(await readFile(join(at, 'd/f'), 'utf8')).toBe('hello')
    expect(await readlink(join(at, 'd/l'))).toBe('f')
    expect(await left()).toBe('')
  })
}

test('a directory is found from where the command runs, and deletions are carried out there', async () => {
  const at = await target('relative')
  await mkdir(join(at, 'd'))
  for (const name of ['gone', 'stays']) await writeFile(join(at, 'd', name), '')
  const deletion = archive(file('d/.wh.gone'), file('new', 'new'))
  const ran = await run('dist', ['apply', '--json', 'relative'], {
    input: deletion,
    env: { GANTRY_ROOT: node.root },
    through: ['env', '-C', home],
  })
  expect(JSON.parse(ran.stdout)).toMatchObject({ diffId: digestOf(deletion), size: deletion.length, entries: 2, notKept: [] })
  await expect(readFile(join(at, 'd/gone'))).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await readFile(join(at, 'd/stays'), 'utf8')).toBe('')
})

test('a layer that is content already is applied all the same, and stays', async () => {
  const at = await target('known')
  const { stdout } = await node.run('dist', ['ingest', 'known'], { input: layer })
  expect(await apply(layer, at)).toMatchObject({ stdout: `${digestOf(layer)}\n`, exitCode: 0 })
  expect(await left()).toBe(stdout)
  await node.run('dist', ['delete', stdout.trim()])
})

test('what is no layer, or another, is data loss that names what is wrong, and nothing of it stays in content', async () => {
  const at = await target('wrong')
  complaint(await apply(randomBytes(5000), at), 'data_loss')
  expect(complaint(await apply(archive(file('there'), link('nowhere', 'here')), at), 'data_loss')).toContain('"here"')
  expect(complaint(await apply(layer.subarray(0, layer.length - 1500), at), 'data_loss')).toContain('"of.wh"')
  complaint(await apply(gzipSync(layer).subarray(0, -20), at), 'data_loss')
  expect(complaint(await apply(layer, '--expected', digestOf(Buffer.from('other')), at), 'data_loss')).toContain(digestOf(layer))
  expect(await left()).toBe('')
})

test('a directory that is none is refused before a byte is read', async () => {
  const at = await target('there')
  await writeFile(join(at, 'file'), '')
  const { child, ran } = begin('dist', ['apply', join(at, 'missing')], { env: { GANTRY_ROOT: node.root } })
  complaint(await ran, 'not_found')
  child.stdin.destroy()
  complaint(await apply(layer, join(at, 'file')), 'failed_precondition')
  expect(await apply(layer, '--expected', 'nonsense', at)).toMatchObject({ exitCode: 2, stdout: '' })
})

test('a node that is not known to be on this machine is not asked, and says what to do', async () => {
  const at = await target('elsewhere')
  const { url } = JSON.parse(await readFile(join(node.root, 'node.json'), 'utf8'))
  const { user, password } = JSON.parse(await readFile(join(node.root, 'nats', 'credentials'), 'utf8'))
  const address = url.replace('://', `://${user}:${password}@`)
  const ran = await run('dist', ['apply', '--nats', address, '--node', node.name, at], { input: layer })
  expect(complaint(ran, 'failed_precondition')).toContain('--root')
})

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`given up by ${signal} while standard input comes, it leaves nothing`, async () => {
    await using bus = await node.connect()
    const ingests = client<typeof ingest>(bus, { node: node.name, actor: 'ingest' })
    const { child, ran } = begin('dist', ['apply', await target(signal)], { env: { GANTRY_ROOT: node.root } })
    child.stdin.write(layer)
    await expect.poll(async () => (await ingests.list({})).ingests.map(({ offset }) => offset), { timeout: 20_000 }).toEqual([layer.length])
    child.kill(signal)
    const { exitCode } = await ran
    child.stdin.destroy()
    if (signal === 'SIGINT') {
      expect(exitCode).toBe(12)
      expect(await left()).toBe('')
      return
    }
    // what nobody is there to take away is held for a minute, and closed
    await expect.poll(async () => (await ingests.list({})).ingests.map(({ state }) => state), { timeout: 20_000 }).toEqual(['closed'])
    const { stdout } = await node.run('ctr', ['leases', 'ls', '-q'])
    await node.run('ctr', ['leases', 'rm', '--sync', stdout.trim()])
    expect(await left()).toBe('')
  })
}

test('given up by SIGINT while it is applied, it stops, and leaves nothing in content', async () => {
  await using bus = await node.connect()
  const unpacking = client<typeof unpack>(bus, { node: node.name, actor: 'unpack' })
  const many = archive(...Array.from({ length: 100_000 }, (_, at) => file(`f${at}`, '')))
  const { child, ran } = begin('dist', ['apply', await target('stopped')], { env: { GANTRY_ROOT: node.root } })
  child.stdin.end(gzipSync(many, { level: 1 }))
  await expect.poll(async () => (await unpacking.list({})).underway.length, { timeout: 30_000, interval: 5 }).toBe(1)
  child.kill('SIGINT')
  expect(await ran).toEqual({ stdout: '', stderr: 'dist: stopped by SIGINT\n', exitCode: 12 })
  await expect.poll(async () => (await unpacking.list({})).underway, { timeout: 20_000 }).toEqual([])
  expect(await left()).toBe('')
})
