import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { image } from '../../messages/image.ts'
import { client } from '../../runtime/bus/client.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { destination } from '../command/destination.ts'
import { benchNode, bin } from './gantry.ts'
import { type PullOptions, type Spread, spread, timed } from './measure.ts'

/** How fast a node answers, ms: `dist images` as typed, on an idle node, and calls of the control thread while pulls run. */
export interface Answers {
  readonly command: Spread
  readonly calls: Spread & { readonly count: number; readonly within: number }
}

/** A call may take this long, ms. */
export const promisedMs = 10

/** Pull all of `references` at once, cold, and ask the control thread one thing after another meanwhile. */
export async function measureAnswers(
  references: readonly string[],
  { runs, ...options }: PullOptions & { runs: number },
): Promise<Answers> {
  await using node = await benchNode(options)
  const command = []
  for (let i = 0; i <= runs; i++) command.push((await timed(bin('dist'), ['images', '--root', node.root])).wallMs)
  const { nats, subjects, node: name } = await destination({ root: node.root }, {})
  await using bus = await connectNats(nats, { root: subjects, name: 'bench' })
  const images = client<typeof image>(bus, { node: name, actor: 'image' })
  const pulls = references.map((reference) => spawn(bin('dist'), ['pull', '--root', node.root, reference], { stdio: 'ignore' }))
  const running = new Set(pulls)
  for (const pull of pulls) void once(pull, 'exit').then(() => running.delete(pull))
  const took: number[] = []
  while (running.size > 0) {
    const began = performance.now()
    await images.list({})
    took.push(performance.now() - began)
  }
  const within = took.filter((ms) => ms <= promisedMs).length / took.length
  // the first start of a command compiles it, once a machine
  return { command: spread(command.slice(1)), calls: { ...spread(took), count: took.length, within } }
}

/** As Markdown. */
export function answersTable({ command, calls }: Answers): string {
  const ms = (value: number) => value.toFixed(1)
  return [
    '| what | median ms | least–most ms | |',
    '|---|---|---|---|',
    `| \`dist images\`, as typed | ${ms(command.median)} | ${ms(command.min)}–${ms(command.max)} | |`,
    `| a call of the control thread while two pulls run | ${ms(calls.median)} | ${ms(calls.min)}–${ms(calls.max)} | ${calls.count} calls, ${(calls.within * 100).toFixed(2)} % within ${promisedMs} ms |`,
  ].join('\n')
}
