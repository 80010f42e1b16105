/**
 * `npm run demo [-- REF]`: the whole of Gantry in a minute, on this machine only. Starts a node, makes a redis image of Debian's packages and pushes it to a registry on loopback,
 * pulls it, runs it, talks to it, shows the events it caused and a request typed by hand, and cleans up. With REF: the same with an image of yours.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pushImage } from '../lab/images.ts'
import { startRegistry } from '../lab/registry.ts'
import { askByHand } from './by-hand.ts'
import { type DemoNode, gantry, gantryNode } from './commands.ts'
import { redisImage } from './image.ts'
import { freePort, ping } from './redis.ts'

const heading = (text: string) => console.log(`\n\u001b[1m${text}\u001b[0m`)
const say = (line: string) => console.log(`  ${line}`)

process.exitCode = await demo(process.argv[2])

/** The exit code: 0 when everything was seen to work. */
async function demo(reference: string | undefined): Promise<number> {
  await using stack = new AsyncDisposableStack()
  const scratch = stack.adopt(await mkdtemp(join(tmpdir(), 'gantry-demo-')), (path) => rm(path, { recursive: true, force: true }))

  heading('A node, with a NATS server of its own')
  const node = stack.use(await gantryNode(join(scratch, 'root')))
  say(node.line)

  if (!reference) heading('A redis image of Debian’s packages, in a registry on loopback')
  const image = reference ?? (await pushRedis(stack, scratch))

  heading(`dist pull ${image}`)
  await gantry('dist', ['pull', image], node)
  heading('dist images')
  await gantry('dist', ['images'], node)

  const worked = reference ? await runTheirs(image, node) : await runRedis(image, node)

  heading('What happened, as anybody could have followed it: gantry events --since 10m --no-follow')
  await gantry('gantry', ['events', '--since', '10m', '--no-follow'], node)
  heading('The same by hand: any NATS client, JSON in, JSON out')
  for (const line of await askByHand(node.root, ['image.list', '{}'], ['snapshot.list', '{}'])) say(line)

  heading('Cleaning up')
  await gantry('dist', ['rmi', image], node)
  return worked ? 0 : 1
}

async function pushRedis(stack: AsyncDisposableStack, scratch: string): Promise<string> {
  const registry = stack.use(await startRegistry())
  return await pushImage(registry, 'library/redis:latest', await redisImage(join(scratch, 'image'), { say }))
}

async function runRedis(image: string, node: DemoNode): Promise<boolean> {
  const port = await freePort()
  heading(`ctr run --detach --id redis ${image} --port ${port}`)
  await gantry('ctr', ['run', '--detach', '--id', 'redis', image, '--port', String(port)], node)
  const answer = await ping(port)
  say(`PING → ${answer}`)
  heading('ctr tasks ls')
  await gantry('ctr', ['tasks', 'ls'], node)
  await gantry('ctr', ['tasks', 'kill', 'redis'], node)
  await gantry('ctr', ['containers', 'rm', '--force', 'redis'], node)
  return answer === 'PONG'
}

/** Their own command, its output ours, until it ends or has shown enough of itself. */
async function runTheirs(image: string, node: DemoNode): Promise<boolean> {
  heading(`ctr run --rm --id demo ${image}`)
  const code = await gantry('ctr', ['run', '--rm', '--id', 'demo', image], node, { mayFail: true, enoughMs: 10_000 })
  say(code === 'enough' ? 'it runs; stopped, for this is only a demo' : `exit code ${code}`)
  return code === 'enough' || code === 0
}
