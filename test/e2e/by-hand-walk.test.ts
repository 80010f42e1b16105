import { spawn } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ActorName } from '../../messages/index.ts'
import { busyboxImage } from '../../ops/lab/images.ts'
import { shellLines } from '../support/by-hand/page.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

/** `ops/docs/by-hand.md`, typed into a shell line by line; `nats` there is one of the test, which has a socket and no library. */
const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let typed: Typed[]

/** A line, what it said on standard output, and how it ended. */
interface Typed {
  readonly line: string
  readonly said: string
  readonly exitCode: number
}

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  const directory = scope.use(await tempDirectory()).path
  const reference = serveImage(registry, 'library/redis', await busyboxImage({ layers: [[{ name: 'second', content: 'second' }]] }))
  const program = new URL('../support/by-hand/nats-command.process.ts', import.meta.url).pathname
  await writeFile(join(directory, 'nats'), `#!/bin/sh\nexec ${process.execPath} --disable-warning=ExperimentalWarning ${program} "$@"\n`)
  await chmod(join(directory, 'nats'), 0o755)
  const lines = (await shellLines(new URL('../../ops/docs/by-hand.md', import.meta.url))).map(({ text: line }) =>
    line
      .replaceAll('127.0.0.1:5000/library/redis:latest', reference)
      .replaceAll('/var/lib/gantry', node.root)
      .replaceAll('/tmp/by-hand', join(directory, 'by-hand')),
  )
  typed = await type(lines, directory)
}, 120_000)
afterAll(() => scope.disposeAsync())

test.runIf(process.getuid?.() === 0)('every line of the walk does what the text around it says', async () => {
  for (const { line, said, exitCode } of typed) {
    expect({ line, exitCode }).toEqual({ line, exitCode: 0 })
    expect(`${line}\n${said}`).not.toContain('Nats-Service-Error')
    expect(`${line}\n${said}`).not.toContain('"error":')
    if (line.startsWith('nats req') && !line.endsWith('| sh')) expect(said.trim(), line).not.toBe('')
  }
  expect(said('pull.follow', 0)).toContain('"state":"done"')
  expect(said('content.read')).toContain('"Cmd"')
  expect(said('snapshot.list')).toContain('"kind":"committed"')
  expect(said('ls /')).toContain('busybox')
  expect(said('exec.attach')).toBe('hello\n')
  expect(said('exec.wait')).toContain('"exitCode":137')
  expect(said('gc.run')).toContain('"failed":[]')
})

test.runIf(process.getuid?.() === 0)('nothing is left in the end', async () => {
  expect(said('content.list')).toContain('{"blobs":[],"more":false}')
  expect(await remains(node)).toEqual([])
})

/** What the line with these words in it said; of several the first, or another. */
const said = (words: `${ActorName}.${string}` | 'ls /', which = 0): string =>
  typed.filter(({ line }) => line.includes(words))[which]?.said ?? ''

/** One shell for all lines, as for somebody who sits there. */
async function type(lines: readonly string[], directory: string): Promise<Typed[]> {
  const mark = '--- said'
  const shell = spawn('sh', [], { env: { ...process.env, PATH: `${directory}:${process.env['PATH']}` }, stdio: ['pipe', 'pipe', 'ignore'] })
  shell.stdin.end(lines.map((line) => `{ ${line}\n} </dev/null; printf "\\n%s\\n" "${mark} $?"\n`).join(''))
  const parts = (await text(shell.stdout)).split(new RegExp(`\n${mark} (\\d+)\n`))
  return lines.map((line, at) => ({ line, said: parts[2 * at] ?? '', exitCode: Number(parts[2 * at + 1] ?? -1) }))
}
