import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { content } from '../../../messages/content.ts'
import { Failure, type Handlers, type Log, type Protocol } from '../../../messages/grammar/index.ts'
import { image } from '../../../messages/image.ts'
import { lease } from '../../../messages/lease.ts'
import { snapshot } from '../../../messages/snapshot.ts'
import { announce } from '../../../ops/command/whereabouts.ts'
import { type Image, makeImage } from '../../../ops/lab/images.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { serve } from '../../../runtime/bus/serve.ts'
import { startNats } from '../../support/nats.ts'
import { begin } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
const reference = 'registry.test/library/slow:latest'
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
let root: string

/** What snapshot and lease were asked, in order. */
const asked: string[] = []
/** Of each request to make a snapshot, whether it was given up. */
const made = Promise.withResolvers<void>()
let givenUp = false

/** A node of played actors: an image is here, and a snapshot of it is never done being made. */
beforeAll(async () => {
  root = scope.use(await tempDirectory()).path
  const nats = scope.use(await startNats())
  const bus = await nats.connect()
  scope.use(await announce(root, { node: 'n1', pid: process.pid, url: nats.url, subjects: 'gantry' }))
  const there = await makeImage({ layers: [[{ name: 'file' }]] })
  await play(bus, 'image', image, { get: () => recordOf(there) })
  await play(bus, 'content', content, {
    read: ({ offset, length }) => ({ bytes: there.config.bytes.subarray(offset, offset + length), size: there.config.bytes.length }),
  })
  const now = new Date().toISOString()
  await play(bus, 'lease', lease, {
    create({ id = '', labels }) {
      asked.push(`lease.create ${id}`)
      return { id, createdAt: now, labels }
    },
    remove({ id }) {
      asked.push(`lease.remove ${id}`)
      return {}
    },
  })
  await play(bus, 'snapshot', snapshot, {
    async prepare({ key }, { signal }) {
      asked.push(`snapshot.prepare ${key}`)
      made.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      givenUp = true
      throw new Failure('cancelled', 'prepare: the caller gave up')
    },
    remove({ key }) {
      asked.push(`snapshot.remove ${key}`)
      return {}
    },
  })
})
afterAll(() => scope.disposeAsync())

test('given up while a snapshot is made for it, a mount has that given up too, and takes away what may be there', async () => {
  const at = join(root, 'at')
  await mkdir(at)
  const { child, ran } = begin('ctr', ['images', 'mount', '--rw', reference, at], { env: { GANTRY_ROOT: root } })
  await made.promise
  child.kill('SIGINT')
  expect(await ran).toEqual({ stdout: '', stderr: 'ctr: stopped by SIGINT\n', exitCode: 12 })
  const id = `mount-${createHash('sha256').update(at).digest('hex').slice(0, 40)}`
  expect(asked).toEqual([`lease.create ${id}`, `snapshot.prepare ${at}`, `snapshot.remove ${at}`, `lease.remove ${id}`])
  await expect.poll(() => givenUp, { timeout: 20_000 }).toBe(true)
})

async function play<P extends Protocol>(bus: Bus, actor: string, protocol: P, handlers: Partial<Handlers<P>>): Promise<void> {
  scope.use(await serve<P>(bus, { node: 'n1', actor, protocol, handlers: handlers as unknown as Handlers<P>, log: silent }))
}

function recordOf({ manifest, config }: Image) {
  const at = new Date().toISOString()
  const { descriptor: target } = manifest
  return {
    name: reference,
    target,
    manifest: target,
    config: config.descriptor,
    platform: { os: 'linux', architecture: 'amd64' },
    size: 0,
    parts: [],
    labels: {},
    createdAt: at,
    updatedAt: at,
  }
}
