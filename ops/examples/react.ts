/**
 * A program that reacts to what happens to images and snapshots, on every node: `node ops/examples/react.ts FILE`.
 *
 * How far it came stands in the file: started again it goes on there, whatever happened meanwhile. Killed between reacting and writing that down it reacts once more.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Facts, Protocol } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { type Kept, recall } from '../../runtime/bus/stream.ts'
import { destination } from '../command/destination.ts'

/** What to do at a fact of an actor, as its protocol in messages/ declares it. */
type Reactions<P extends Protocol> = { readonly [F in keyof Facts<P>]?: (data: Facts<P>[F], node: string) => string }

const images: Reactions<typeof image> = {
  created: ({ name }, node) => `${node} has ${name}`,
  updated: ({ name }, node) => `${node} has another ${name}`,
  removed: ({ name }, node) => `${node} forgot ${name}`,
}
const snapshots: Reactions<typeof snapshot> = {
  committed: ({ name }, node) => `${node} unpacked ${name}`,
}
const reactions = { image: images, snapshot: snapshots } as Record<string, Record<string, (data: unknown, node: string) => string>>

const [file = 'react.seq'] = process.argv.slice(2)
const { nats, subjects } = await destination({}, process.env)
await using bus = await connectNats(nats, { root: subjects, name: 'react' })
for await (const event of recall(bus, { patterns: ['image.>', 'snapshot.>'], from: (await reached()) + 1, follow: true })) {
  react(event)
  await writeFile(`${file}.new`, `${event.seq}\n`)
  await rename(`${file}.new`, file)
}

function react({ type, source, data }: Kept): void {
  const [actor = '', fact = ''] = type.split('.')
  const done = reactions[actor]?.[fact]?.(data, source)
  if (done !== undefined) console.log(done)
}

async function reached(): Promise<number> {
  return Number(await readFile(file, 'utf8').catch(() => '0'))
}
