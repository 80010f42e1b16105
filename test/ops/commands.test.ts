import { expect, test } from 'vitest'
import { run, startNode } from '../support/node.ts'
import { tempDirectory } from '../support/temp.ts'

const missing = `sha256:${'0'.repeat(64)}`

test('the listings of an empty node are empty', async () => {
  await using node = await startNode()
  const listings = [
    ['dist', ['images']],
    ['dist', ['ls']],
    ['dist', ['list', '-q']],
    ['dist', ['active']],
    ['ctr', ['tasks', 'ls']],
    ['ctr', ['containers', 'ls']],
    ['ctr', ['snapshots', 'ls']],
    ['ctr', ['snapshots', 'tree']],
    ['ctr', ['snapshots', 'usage']],
    ['ctr', ['images', 'ls', '--json']],
    ['ctr', ['content', 'ls']],
  ] as const
  for (const [program, args] of listings)
    expect([program, args, await node.run(program, args)]).toEqual([program, args, { stdout: '', stderr: '', exitCode: 0 }])
})

test('what is not there is one line and exit code 3', async () => {
  await using node = await startNode({ args: ['--only', 'node', 'content', 'image'] })
  expect(await node.run('dist', ['path', missing])).toMatchObject({
    stdout: '',
    stderr: expect.stringMatching(/^dist: .*\n$/),
    exitCode: 3,
  })
  expect(await node.run('dist', ['delete', missing])).toMatchObject({ exitCode: 3 })
  expect(await node.run('dist', ['rmi', 'tiny'])).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('docker.io/library/tiny:latest'),
  })
  expect(await node.run('dist', ['rmi', 'a::b'])).toMatchObject({ exitCode: 2 })
})

test('of several things each that fails is complained of, and the rest is done', async () => {
  await using node = await startNode({ args: ['--only', 'node', 'content'] })
  const { stderr, exitCode } = await node.run('dist', ['delete', missing, 'nonsense'])
  expect(stderr.trimEnd().split('\n')).toHaveLength(2)
  expect(exitCode).toBe(3)
})

test('nodes are listed, in JSON too', async () => {
  await using node = await startNode({ name: 'here', args: ['--only', 'node'] })
  const { stdout } = await node.run('gantry', ['nodes', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ node: 'here', pid: node.pid, root: node.root })
})

test('events that were kept are told again', async () => {
  await using node = await startNode({ args: ['--only', 'node'] })
  await expect
    .poll(async () => (await node.run('gantry', ['events', '--since', '1h', '--no-follow', '--json'])).stdout, { timeout: 20_000 })
    .toMatch(/"type":"node.up"/)
})

test('a node that is not up on a NATS system is one line that says how to start it', async () => {
  await using node = await startNode({ args: ['--only', 'node'] })
  expect(await node.run('dist', ['images', '--node', 'n9'])).toEqual({
    stdout: '',
    stderr: 'dist: reach node n9: nobody answers for it; start one with "gantry up", or run this command with --embedded\n',
    exitCode: 10,
  })
})

test('an embedded command runs without a node and leaves none behind', async () => {
  await using root = await tempDirectory()
  expect(await run('dist', ['images', '--embedded', '--root', root.path])).toEqual({ stdout: '', stderr: '', exitCode: 0 })
  expect(await run('dist', ['images', '--root', root.path])).toMatchObject({ exitCode: 10 })
})

test('an embedded command on the root of a node that runs is refused as a second node is', async () => {
  await using node = await startNode({ args: ['--only', 'node'] })
  expect(await node.run('dist', ['images', '--embedded'])).toMatchObject({
    exitCode: 5,
    stderr: expect.stringMatching(/^dist: start node .* runs there already\n$/),
  })
})
