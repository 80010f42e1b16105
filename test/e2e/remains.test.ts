import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxImage } from '../../ops/lab/images.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains, remainsOf } from '../support/remains.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
const drivers = ['overlay', 'native']

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = await startNode({ root: scope.use(await tempDirectory()).path })
  scope.defer(async () => {
    for (const driver of drivers) await node.run('ctr', ['containers', 'rm', '--force', driver])
    await node.stop()
  })
})
afterAll(() => scope.disposeAsync())

test('a node and its NATS server are no remains', async () => {
  expect(await remains(node)).toEqual([])
})

test('of an orphan it is seen that it is left over, whatever ties it to the node', async () => {
  await using log = await open(join(node.root, 'node.json'))
  const orphans: Readonly<Record<string, ChildProcess>> = {
    'a word of its command line': spawn('sh', ['-c', 'read _', node.root], { stdio: ['pipe', 'ignore', 'ignore'] }),
    'the directory it is in': spawn('cat', ['-u'], { cwd: node.root, stdio: ['pipe', 'ignore', 'ignore'] }),
    'a file it keeps open': spawn('cat', ['-'], { stdio: ['pipe', 'ignore', log.fd] }),
  }
  await log.close()
  expect(await remains(node)).toEqual([`process sh -c read _ ${node.root}`, 'process cat -u', 'process cat -'])
  for (const orphan of Object.values(orphans)) {
    orphan.kill()
    await once(orphan, 'close')
  }
  expect(await remains(node)).toEqual([])
})

for (const driver of drivers) {
  test(`of a container on ${driver} its monitor and its command are seen; without node and monitor, that the command is an orphan`, {
    timeout: 60_000,
  }, async () => {
    const reference = serveImage(registry, 'busybox', await busyboxImage())
    await node.run('dist', ['pull', '--driver', driver, reference])
    await node.run('ctr', ['run', '--detach', '--driver', driver, '--id', driver, reference, 'sleep', '1000'])
    const [mount, snapshot, ...processes] = await remains(node)
    expect([mount, snapshot]).toEqual([`mount ${join(node.root, 'containers', driver, 'rootfs')}`, `active snapshot ${driver}`])
    expect(processes).toEqual([expect.stringMatching(/^process \S*conmon .*/), 'process sleep 1000'])

    const monitor = await monitorOf(driver)
    await node.kill()
    process.kill(monitor, 'SIGKILL')
    expect(await remainsOf(node.root)).toEqual([mount, 'process sleep 1000'])

    node = await startNode({ root: node.root })
    expect(await node.run('ctr', ['containers', 'rm', '--force', driver])).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await remains(node)).toEqual([])
  })
}

/** The conmon of a container: the parent of its first process. */
async function monitorOf(id: string): Promise<number> {
  const { stdout } = await node.run('ctr', ['tasks', 'ls', '--json'])
  const { pid } = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find((task) => task.id === id)
  const [, parent] = /^PPid:\s*(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(parent)
}
