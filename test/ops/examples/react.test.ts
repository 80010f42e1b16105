import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { image } from '../../../messages/image.ts'
import { busyboxImage } from '../../../ops/lab/images.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { recall } from '../../../runtime/bus/stream.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../../support/node.ts'
import { serveImage } from '../../support/served-image.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 90_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let bus: Bus
let scratch: Awaited<ReturnType<typeof tempDirectory>>

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  bus = scope.use(await node.connect())
  scratch = scope.use(await tempDirectory())
  // found before the real one, should there be one
  const standIn = join(scratch.path, 'nats')
  const program = join(import.meta.dirname, 'nats-cli.process.ts')
  await writeFile(standIn, `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${program}' "$@"\n`)
  await chmod(standIn, 0o755)
})
afterAll(() => scope.disposeAsync())

/** Whether everything kept so far was done with: by the file, or by what the server remembers of the name. */
const byFile = async (name: string): Promise<boolean> => {
  const seqs = (await Array.fromAsync(recall(bus, { patterns: ['image.>', 'snapshot.>'] }))).map(({ seq }) => seq)
  return Number(await readFile(name, 'utf8')) === seqs.at(-1)
}
const byName = async (name: string): Promise<boolean> => {
  for (const actor of ['image', 'snapshot']) {
    const question = { headers: {}, payload: new Uint8Array() }
    const { payload } = await bus.request(`$JS.API.CONSUMER.INFO.GANTRY_EVENTS.${name}-${actor}`, question, { timeoutMs: 5_000 })
    const { num_pending, num_ack_pending } = JSON.parse(Buffer.from(payload).toString()) as { num_pending: number; num_ack_pending: number }
    if (num_pending + num_ack_pending > 0) return false
  }
  return true
}

/** The shell first: it starts a process for every event there is. */
const languages = [
  { file: 'react.sh', program: 'sh', isDone: byName },
  { file: 'react.ts', program: process.execPath, isDone: byFile },
  { file: 'react.py', program: 'python3', isDone: byName },
]

for (const { file, program, isDone } of languages) {
  test(`${file} reacts to images and snapshots, and killed and started again to what happened meanwhile, once`, async () => {
    const name = file.replace('.', '-')
    const where = file === 'react.ts' ? join(scratch.path, name) : name
    const reference = serveImage(registry, name, await busyboxImage())
    const images = client<typeof image>(bus, { node: node.name, actor: 'image' })
    expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
    const before = [expect.stringMatching(/^n1 unpacked sha256:/), `n1 has ${reference}`]
    {
      await using example = start(program, file, where)
      await expect
        .poll(() => example.lines.filter((line) => isOf(line, reference)), { timeout: 60_000 })
        .toEqual(expect.arrayContaining(before))
      await images.label({ name: reference, labels: { owner: 'me' } })
      await expect.poll(() => example.lines, { timeout: 30_000 }).toContain(`n1 has another ${reference}`)
      await expect.poll(() => isDone(where), { timeout: 30_000 }).toBe(true)
    }
    await images.remove({ name: reference })
    await using example = start(program, file, where)
    await expect.poll(() => example.lines, { timeout: 60_000 }).toEqual([`n1 forgot ${reference}`])
  })
}

/** Snapshots are the same ones for all. */
const isOf = (line: string, reference: string): boolean => line.includes(reference) || line.includes('unpacked')

/** One of them at work; killed at the end, with those it started. */
function start(program: string, file: string, where: string): AsyncDisposable & { lines: string[] } {
  const path = join(import.meta.dirname, '../../../ops/examples', file)
  const child: ChildProcess = spawn(program, [path, where], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: {
      ...process.env,
      PATH: `${scratch.path}:${process.env['PATH']}`,
      GANTRY_ROOT: node.root,
      NODE_COMPILE_CACHE: join(scratch.path, 'compiled'),
    },
  })
  const lines: string[] = []
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return {
    lines,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      await ended
    },
  }
}
