import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { exec } from '../../messages/exec.ts'
import { busyboxImage } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { complaint } from '../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { command, type Ran, type RunningNode, type RunOptions, startNode } from '../support/node.ts'
import { processesOf, remains, remainsOf } from '../support/remains.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let root: string
let node: RunningNode
let reference: string

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  root = scope.use(await tempDirectory()).path
  node = await startNode({ root })
  scope.defer(async () => {
    const left = (await list()).map(({ id }) => id)
    if (left.length > 0) await node.run('ctr', ['containers', 'rm', '--force', ...left])
    await node.stop()
  })
  reference = serveImage(registry, 'busybox', await busyboxImage({ config: { WorkingDir: '/home', StopSignal: 'SIGINT' } }))
  expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
})
afterAll(() => scope.disposeAsync())

test('what it says comes out where it said it, and its exit code is the command’s', async () => {
  expect(await ctr('echo out; echo err >&2; exit 42')).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 42 })
  expect(await ctr('head -c 3000000 /dev/zero | tr "\\0" x')).toMatchObject({ exitCode: 0, stdout: 'x'.repeat(3_000_000) })
})

test('without a command the image’s own is run', async () => {
  expect(await node.run('ctr', ['run', '--rm', reference], { input: 'echo $((6 * 7))\n' })).toMatchObject({ exitCode: 0, stdout: '42\n' })
})

test('megabytes through its standard input arrive whole, and its end does too', async () => {
  const input = randomBytes(3_000_000).toString('base64')
  const { stdout } = await ctr('sha256sum', {}, { input })
  expect(stdout).toBe(`${createHash('sha256').update(input).digest('hex')}  -\n`)
})

test('a command that does not read its input is not waited for', async () => {
  expect(await ctr('true', {}, { input: 'x'.repeat(3_000_000) })).toMatchObject({ exitCode: 0 })
})

test('environment, directory and user are the image’s unless said otherwise', async () => {
  expect((await ctr('pwd; id -un; echo $HOME')).stdout).toBe('/home\nroot\n/root\n')
  const options = { '--cwd': '/tmp', '--user': 'daemon', '--env': 'GREETING=hello there' }
  const said = await ctr('pwd; id -un; id -Gn; echo $GREETING', options)
  expect(said).toMatchObject({ stderr: '', stdout: expect.stringMatching(/^\/tmp\ndaemon\ndaemon( staff)?\nhello there\n$/) })
})

test('with -t it has a terminal, without it has none', async () => {
  expect((await ctr('tty')).stdout).toBe('not a tty\n')
  expect((await ctr('tty', { '--tty': undefined })).stdout).toMatch(/^\/dev\/(console|pts\/\d+)\r\n$/)
})

test('what is written in one container is in no other', async () => {
  await ctr('echo mine > /home/file')
  expect((await ctr('ls /home')).stdout).toBe('')
  expect(await ctr('echo x > /home/file', { '--read-only': undefined })).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/read-only/i),
  })
})

test('ended by a signal, its exit code says which', async () => {
  const child = watch('ended', 'echo ready; sleep 1000')
  const closed = once(child, 'close')
  await once(child.stdout ?? child, 'data')
  expect(await node.run('ctr', ['tasks', 'kill', '--signal', '9', 'ended'])).toMatchObject({ exitCode: 0, stderr: '' })
  expect(await closed).toEqual([128 + 9, null])
  expect(await node.run('ctr', ['containers', 'rm', 'ended'])).toMatchObject({ exitCode: 0, stderr: '' })
})

test('a signal to the command goes to what it runs', async () => {
  for (const [signal, trap, exitCode] of [
    ['SIGTERM', 'trap "echo term; exit 7" TERM', 7],
    ['SIGINT', 'trap "echo int; exit 8" INT', 8],
    ['SIGKILL', 'trap "" TERM', undefined],
  ] as const) {
    const id = `signalled-${signal.toLowerCase()}`
    const child = spawn(command('ctr'), [
      'run',
      '--rm',
      '--root',
      root,
      '--id',
      id,
      reference,
      'sh',
      '-c',
      `${trap}; echo ready; while :; do sleep 0.1; done`,
    ])
    await once(child.stdout, 'data')
    child.kill(signal)
    const [code] = await once(child, 'close')
    if (exitCode !== undefined) expect(code).toBe(exitCode)
    // who was killed could take nothing away
    else expect(await node.run('ctr', ['containers', 'rm', '--force', id])).toMatchObject({ exitCode: 0 })
  }
  await nothingLeft()
})

test('an id is taken by one container at a time', async () => {
  await detached('taken', 'sleep 1000')
  expect(complaint(await node.run('ctr', ['run', '--id', 'taken', reference, 'true']), 'already_exists')).toContain('taken')
  expect(await tasks()).toEqual({ taken: 'running' })
  await killed('taken')
  await nothingLeft()
})

test('detached, it runs on, is listed, and is killed by any signal', async () => {
  const { stdout } = await node.run('ctr', ['run', '--detach', '--id', 'away', reference, 'sleep', '1000'])
  expect(stdout).toBe('away\n')
  expect(await tasks()).toEqual({ away: 'running' })
  expect(complaint(await node.run('ctr', ['tasks', 'kill', '--signal', 'SIGNONSENSE', 'away']), 'invalid_argument')).toContain(
    'SIGNONSENSE',
  )
  await killed('away')
  expect(complaint(await node.run('ctr', ['tasks', 'kill', 'away']), 'not_found')).toContain('away')
  await nothingLeft()
})

test('a container outlives the node that is killed, and belongs to the next one', async () => {
  await detached('outliving', 'echo before; read line; echo after; sleep 1000')
  const attached = watch('watched', 'echo watching; sleep 1000')
  await once(attached.stdout ?? attached, 'data')
  const before = await pids()
  await node.kill()
  attached.kill('SIGKILL')
  node = await startNode({ root })
  expect(await tasks()).toEqual({ outliving: 'running', watched: 'running' })
  expect(await pids()).toEqual(before)
  await killed('outliving')
  await killed('watched')
  await nothingLeft()
})

test('what ended while no node ran has its exit code all the same', async () => {
  await detached('ending', 'trap "exit 5" TERM; while :; do sleep 0.1; done')
  const pid = (await pids())['ending'] ?? 0
  await node.kill()
  process.kill(pid, 'SIGTERM')
  node = await startNode({ root })
  await using bus = await node.connect()
  let last: { state: string; exitCode?: number | undefined } | undefined
  for await (const task of client<typeof exec>(bus, { node: node.name, actor: 'exec' }).wait({ id: 'ending' })) last = task
  expect(last).toMatchObject({ state: 'stopped', exitCode: 5 })
  expect(await node.run('ctr', ['containers', 'rm', '--force', 'ending'])).toMatchObject({ exitCode: 0 })
  await nothingLeft()
})

test('a node that stops leaves containers alone', async () => {
  await detached('staying', 'sleep 1000')
  await node.stop()
  expect(processesOf(root).length).toBeGreaterThan(0)
  node = await startNode({ root })
  expect(await tasks()).toEqual({ staying: 'running' })
  await killed('staying')
  await nothingLeft()
  await node.stop()
  expect(await remainsOf(root)).toEqual([])
  node = await startNode({ root })
})

/** Run a script in a container that is gone afterwards. */
async function ctr(script: string, options: Readonly<Record<string, string | undefined>> = {}, how: RunOptions = {}): Promise<Ran> {
  const words = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [name] : [name, value]))
  return await node.run('ctr', ['run', '--rm', ...words, reference, 'sh', '-c', script], how)
}

const watch = (id: string, script: string): ChildProcess =>
  spawn(command('ctr'), ['run', '--root', root, '--id', id, reference, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })

async function detached(id: string, script: string): Promise<void> {
  expect(await node.run('ctr', ['run', '--detach', '--id', id, reference, 'sh', '-c', script])).toMatchObject({ exitCode: 0, stderr: '' })
}

async function list(): Promise<{ id: string; state: string; pid?: number }[]> {
  const { stdout } = await node.run('ctr', ['tasks', 'ls', '--json'])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

const tasks = async () => Object.fromEntries((await list()).map(({ id, state }) => [id, state]))
const pids = async () => Object.fromEntries((await list()).map(({ id, pid }) => [id, pid]))

/** Kill a task, wait until it is known how it ended, and remove its container. */
async function killed(id: string): Promise<void> {
  expect(await node.run('ctr', ['tasks', 'kill', '--signal', 'KILL', id])).toMatchObject({ exitCode: 0, stderr: '' })
  await using bus = await node.connect()
  let last: { exitCode?: number | undefined } | undefined
  for await (const task of client<typeof exec>(bus, { node: node.name, actor: 'exec' }).wait({ id })) last = task
  expect(last?.exitCode).toBe(128 + 9)
  expect(await node.run('ctr', ['containers', 'rm', '--force', id])).toMatchObject({ exitCode: 0 })
}

async function nothingLeft(): Promise<void> {
  expect(await tasks()).toEqual({})
  expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
  expect(await remains(node)).toEqual([])
}
