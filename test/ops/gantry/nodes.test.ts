import { expect, test, vi } from 'vitest'
import type { NodeInfo } from '../../../messages/node.ts'
import { listing } from '../../../ops/command/output.ts'
import { narrow } from '../../../ops/gantry/nodes.ts'
import { complaint } from '../../support/complaint.ts'
import { startNodes } from '../../support/nodes.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const objects = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

test('nodes are listed as they are, drained by name, and looked after; who was killed is gone, who is frozen is named', async () => {
  await using nodes = await startNodes(['n1', 'n2', 'n3'], {
    args: ['--only', 'node', 'lease', 'content', 'gc', 'snapshot', '--set', 'node.labels=rack=4'],
  })
  const gantry = (...args: string[]) => nodes.node('n1').run('gantry', args)
  const states = async () => objects((await gantry('nodes', '--json')).stdout).map(({ node, state }) => [node, state])

  const listed = objects((await gantry('nodes', '--json')).stdout)
  expect(listed).toMatchObject(
    ['n1', 'n2', 'n3'].map((node) => ({
      node,
      state: 'up',
      labels: { rack: '4' },
      pid: nodes.node(node).pid,
      blobs: { count: 0, size: 0 },
    })),
  )
  expect(listed[0].drivers).toContain('overlay')
  expect(await gantry('nodes')).toMatchObject({ stderr: '', stdout: expect.stringMatching(/^n1\tup\t.*\track=4\n(.*\n){2}$/) })

  expect(await gantry('drain', 'n2', 'n3')).toEqual({ stdout: 'n2\tdraining\nn3\tdraining\n', stderr: '', exitCode: 0 })
  expect(await states()).toEqual([
    ['n1', 'up'],
    ['n2', 'draining'],
    ['n3', 'draining'],
  ])
  expect(await gantry('drain', '--undo', '--json', '--node', 'n2')).toMatchObject({ stderr: '', exitCode: 0 })
  expect(complaint(await gantry('drain', 'n9'), 'unavailable')).toContain('n9')

  const healthy = objects((await gantry('health', '--json')).stdout)
  expect([...new Set(healthy.map(({ node }) => node))]).toEqual(['n1', 'n2', 'n3'])
  expect(healthy).toContainEqual({ node: 'n3', thread: 'content', milliseconds: expect.any(Number) })

  complaint(await gantry('why', '--all-nodes', `sha256:${'0'.repeat(64)}`), 'not_found')
  await nodes.node('n3').kill()
  expect(await states()).toEqual([
    ['n1', 'up'],
    ['n2', 'up'],
  ])
  expect(await gantry('nodes')).toMatchObject({ stderr: '', exitCode: 0 })
  process.kill(nodes.node('n2').pid, 'SIGSTOP')
  try {
    const { stdout, ...rest } = await gantry('nodes', '--json')
    expect(objects(stdout)).toMatchObject([{ node: 'n1' }])
    expect(complaint({ stdout, ...rest }, 'unavailable')).toContain('ask node n2: it does not answer')
    complaint(await gantry('health'), 'unavailable')
  } finally {
    process.kill(nodes.node('n2').pid, 'SIGCONT')
  }
})

test('a table of nodes is no wider than 120 columns, however many labels they have', () => {
  const info: NodeInfo = {
    node: 'a-node-of-a-long-name',
    version: '0.1.0',
    platform: { os: 'linux', architecture: 'amd64' },
    root: '/var/lib/gantry',
    pid: 1,
    since: new Date(0).toISOString(),
    server: '2.9.10',
    memory: 1,
    state: 'draining',
    labels: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`label-${at}`, 'value'])),
    drivers: ['btrfs', 'native', 'overlay'],
    blobs: { count: 12_345, size: 2 ** 40 },
  }
  const lines = listing([info, { ...info, node: 'n2', labels: {} }], narrow([info]), { json: false, terminal: true })
  expect(Math.max(...lines.map((line) => line.length))).toBe(120)
  expect(lines[1]).toMatch(/label-0=value,.*…$/)
  expect(lines[2]).toMatch(/-$/)
})
