/** A server at the edge with `ops/nats/edge.conf` that dials one with `hub.conf`: one system for its nodes, and no more rights than theirs. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeImage } from '../../../ops/lab/images.ts'
import { startOrigin } from '../../../ops/lab/origin.ts'
import { connectionOf } from '../../../runtime/bus/nats.ts'
import { recall } from '../../../runtime/bus/stream.ts'
import { archive, file } from '../../support/layers.ts'
import { type Server, setUpNats } from '../../support/nats-set-up.ts'
import { run, startNode } from '../../support/node.ts'
import { layerOf } from '../../support/rich-image.ts'

const scope = new AsyncDisposableStack()
let hub: Server
let edge: Server

beforeAll(async () => {
  const center = scope.use(await setUpNats({ nodes: ['n1'], operators: ['op'], edges: ['site:n3,n4'] }))
  const site = scope.use(await setUpNats({ nodes: ['n3', 'n4'], operators: ['local'], streams: false }))
  hub = await center.start('hub')
  edge = await site.start('edge', { env: { NATS_HUB: `nats-leaf://site:site@${hub.leafAt}` } })
  await edge.said(/Leafnode connection created/)
  expect(await run('gantry', ['streams', '--nats', `op:op@${hub.at}`])).toMatchObject({ exitCode: 0 })
})
afterAll(() => scope.disposeAsync())

test('a node at the edge pulls from one at the hub what the registry sent once, and is heard there', { timeout: 60_000 }, async () => {
  await using stack = new AsyncDisposableStack()
  const origin = stack.use(await startOrigin())
  const layer = layerOf(archive(file('bulk', randomBytes(3 * 1024 * 1024))))
  const reference = origin.serve('far', await makeImage({ layers: [layer] }))
  const up = async (name: string, { at }: Server) => stack.use(await startNode({ name, args: ['--nats', `${name}:${name}@${at}`] }))
  const [near, far] = await Promise.all([up('n1', hub), up('n3', edge)])
  expect(await near.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
  expect(await far.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
  expect(origin.sent(layer.descriptor.digest)).toBe(layer.descriptor.size)
  const nodes = await run('gantry', ['nodes', '--json', '--nats', `op:op@${hub.at}`])
  expect(
    nodes.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { node: string }).node),
  ).toEqual(['n1', 'n3'])
  const operator = await hub.connect('op')
  const signal = AbortSignal.timeout(20_000)
  for await (const { data } of recall(operator, { node: 'n3', actor: 'swarm', fact: 'brought', follow: true, signal })) {
    expect(data).toMatchObject({ digest: layer.descriptor.digest, origin: 0, peers: { n1: layer.descriptor.size } })
    break
  }
})

test('who may do everything at the edge may do at the hub what its nodes may, and nothing else', async () => {
  const operator = await hub.connect('op')
  const heard: string[] = []
  const over = Promise.withResolvers<void>()
  await operator.subscribe('gantry.>', ({ subject }) => {
    if (subject === 'gantry.n3.end') over.resolve()
    else heard.push(subject)
  }).ready
  const local = connectionOf(await edge.connect('local'))
  const words = [
    'gantry.n1.node.drain',
    'gantry.event.n1.node.down',
    'gantry.n4.node.drain',
    'gantry.event.n4.node.down',
    'gantry.n1.swarm.read',
    'gantry.all.node.drain',
  ]
  for (const word of words) local?.publish(word, '{}')
  local?.publish('gantry.n3.end', '')
  await local?.flush()
  await over.promise
  expect(heard).toEqual(['gantry.n4.node.drain', 'gantry.event.n4.node.down', 'gantry.n1.swarm.read'])
})

test('who is asked for any may be at the edge', async () => {
  const local = await edge.connect('n3')
  const answering = local.subscribe('gantry.any.node.info', ({ respond }) => respond?.(nothing), { queue: 'any' })
  await answering.ready
  const operator = await hub.connect('op')
  await expect(operator.request('gantry.any.node.info', nothing, { timeoutMs: 5_000 })).resolves.toBeDefined()
})

test('what is asked of a node at the hub is not heard at the edge', async () => {
  const local = await edge.connect('local')
  const heard: string[] = []
  await local.subscribe('>', ({ subject }) => void heard.push(subject)).ready
  const over = Promise.withResolvers<void>()
  await local.subscribe('gantry.n3.end', () => over.resolve()).ready
  const operator = connectionOf(await hub.connect('op'))
  for (const word of ['gantry.n1.node.info', 'gantry.n1.exec.write']) operator?.publish(word, '{}')
  operator?.publish('gantry.n3.end', '')
  await operator?.flush()
  await over.promise
  expect(heard.filter((subject) => subject.startsWith('gantry.n1.'))).toEqual([])
})

const nothing = { headers: {}, payload: new Uint8Array() }
