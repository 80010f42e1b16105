/** Three servers with `ops/nats/cluster.conf`: what is kept is kept on all of them, and any one may go. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { agreed } from '../../../messages/agreed.ts'
import { protocols } from '../../../messages/index.ts'
import { makeImage } from '../../../ops/lab/images.ts'
import { startOrigin } from '../../../ops/lab/origin.ts'
import { openBucket } from '../../../runtime/bus/bucket.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { keepEvents } from '../../../runtime/bus/stream.ts'
import { archive, file } from '../../support/layers.ts'
import { type Server, setUpNats, startCluster } from '../../support/nats-set-up.ts'
import { run, startNode } from '../../support/node.ts'
import { layerOf } from '../../support/rich-image.ts'

const signal = AbortSignal.timeout(50_000)

test('one of three servers is killed, and nodes go on to agree, to tell and to share', { timeout: 60_000 }, async () => {
  await using nats = await setUpNats({ nodes: ['n1', 'n2'], operators: ['op'] })
  const servers = await startCluster(nats)
  const at = servers.map((server) => server.at).join(',')
  expect(await run('gantry', ['streams', '--replicas', '3', '--nats', `op:op@${at}`])).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('on 3 servers each'),
  })
  await using stack = new AsyncDisposableStack()
  const up = async (name: string) => stack.use(await startNode({ name, args: ['--nats', `${name}:${name}@${at}`] }))
  const [near, far] = await Promise.all([up('n1'), up('n2')])
  const origin = stack.use(await startOrigin())
  const layer = layerOf(archive(file('bulk', randomBytes(3 * 1024 * 1024))))
  const reference = origin.serve('lasting', await makeImage({ layers: [layer] }))
  expect(await near.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })

  await leader(servers).kill()

  expect(await far.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
  expect(origin.sent(layer.descriptor.digest)).toBe(layer.descriptor.size)
  const operator = stack.use(await connectNats({ url: at.split(','), user: 'op', password: 'op' }))
  // A stream, or a bucket, whose leader is gone elects another first: what is to be kept waits for that.
  for (const node of ['n1', 'n2']) {
    const subject = `gantry.event.${node}.pull.finished`
    await expect.poll(() => last(operator, subject), { timeout: 20_000 }).toMatchObject({ message: { subject } })
  }
  const names = async () => await Array.fromAsync((await openBucket<{ by: string }>(operator, agreed.tags))?.all({ signal }) ?? [])
  await expect.poll(names, { timeout: 20_000 }).toMatchObject([{ value: { by: expect.stringMatching(/^n[12]$/) } }])
})

test('who may make streams and buckets makes them as many times over as the address says, those that are there too', async () => {
  await using nats = await setUpNats({ operators: ['op'] })
  const [server] = await startCluster(nats)
  const one = await server?.connect('op')
  const three = await server?.connect('op', { address: { replicas: 3 } })
  if (!one || !three) throw new Error('there is a server')
  const replicas = async (stream: string): Promise<number> => {
    const { payload } = await one.request(`$JS.API.STREAM.INFO.${stream}`, { headers: {}, payload: new Uint8Array() }, { timeoutMs: 5_000 })
    return (JSON.parse(Buffer.from(payload).toString()) as { config: { num_replicas: number } }).config.num_replicas
  }
  await keepEvents(one, { protocols })
  await openBucket(one, agreed.tags)
  expect([await replicas('GANTRY_EVENTS'), await replicas('KV_GANTRY_TAGS')]).toEqual([1, 1])
  await keepEvents(three, { protocols })
  for (const bucket of Object.values(agreed)) await openBucket(three, bucket)
  expect([await replicas('GANTRY_EVENTS'), await replicas('KV_GANTRY_TAGS'), await replicas('KV_GANTRY_CLAIMS')]).toEqual([3, 3, 3])
  // Who says nothing leaves it as it is.
  await keepEvents(one, { protocols })
  await openBucket(one, agreed.tags)
  expect([await replicas('GANTRY_EVENTS'), await replicas('KV_GANTRY_TAGS')]).toEqual([3, 3])
})

/** The newest message of a subject. No consumer is made: server 2.9 may put one on the server that is gone. */
async function last(bus: Bus, subject: string): Promise<unknown> {
  const packet = { headers: {}, payload: Buffer.from(JSON.stringify({ last_by_subj: subject })) }
  const { payload } = await bus.request('$JS.API.STREAM.MSG.GET.GANTRY_EVENTS', packet, { timeoutMs: 10_000 })
  return JSON.parse(Buffer.from(payload).toString())
}

/** The one the others have agreed on: it is missed most. */
function leader(servers: readonly Server[]): Server {
  const found = servers.find((server) => server.lines.some((line) => /Self is new JetStream cluster metadata leader/.test(line)))
  if (!found) throw new Error('no server leads')
  return found
}
