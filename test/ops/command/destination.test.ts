import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { destination } from '../../../ops/command/destination.ts'
import { announce } from '../../../ops/command/whereabouts.ts'

async function aRoot(): Promise<{ root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-root-'))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test('a command asks the node that runs on the root', async () => {
  await using here = await aRoot()
  const credentials = join(here.root, 'credentials')
  await writeFile(credentials, JSON.stringify({ user: 'u', password: 'p' }))
  await using _said = await announce(here.root, { node: 'n1', pid: 1, url: 'nats://127.0.0.1:4222', credentials, subjects: 'tenant' })
  expect(await destination({ root: here.root }, {})).toEqual({
    nats: { url: 'nats://127.0.0.1:4222', user: 'u', password: 'p' },
    node: 'n1',
    subjects: 'tenant',
    root: here.root,
    here: true,
  })
})

test('another node is asked over the same NATS server', async () => {
  await using here = await aRoot()
  await using _said = await announce(here.root, { node: 'n1', pid: 1, url: 'nats://127.0.0.1:4222', subjects: 'gantry' })
  expect(await destination({ root: here.root, node: 'n2' }, { GANTRY_NODE: 'n3' })).toMatchObject({
    node: 'n2',
    nats: { url: 'nats://127.0.0.1:4222' },
  })
})

test('a NATS server that is given needs no node on the root', async () => {
  await using here = await aRoot()
  expect(await destination({ root: here.root }, { GANTRY_NATS: 'nats://me:pw@host:1', GANTRY_NODE: 'far' })).toEqual({
    nats: { url: 'nats://host:1', user: 'me', password: 'pw' },
    node: 'far',
    subjects: 'gantry',
    here: false,
  })
})

test('where no node runs, how to start one is said', async () => {
  await using here = await aRoot()
  await expect(destination({ root: here.root }, {})).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('gantry up'),
  })
})

test('what a node said is gone when it stops', async () => {
  await using here = await aRoot()
  await (await announce(here.root, { node: 'n1', pid: 1, url: 'nats://127.0.0.1:4222', subjects: 'gantry' }))[Symbol.asyncDispose]()
  await expect(destination({ root: here.root }, {})).rejects.toMatchObject({ code: 'unavailable' })
})

test('a file that cannot be read is a failure of its own', async () => {
  await using here = await aRoot()
  await mkdir(join(here.root, 'node.json'))
  await expect(destination({ root: here.root }, {})).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining(here.root),
  })
})
