import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { streamBlob } from '../../../actors/fetch/blob.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { blobOf, makeImage, pushBlob, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { bytes, type Delivering, startHostileRegistry, status } from '../../support/hostile-registry.ts'
import { tempDirectory } from '../../support/temp.ts'
import { failureOf, never, openWay } from './setup.ts'

const content = randomBytes(3 * 1024 * 1024 + 17)
const blob = blobOf('application/vnd.oci.image.layer.v1.tar', content)
const { size, digest } = blob.descriptor
const path = `/v2/a/blobs/${digest}`

/** A registry, a lent file with what `before` left in it, and the way from one to the other. */
async function startCourse({ before = 0, init = {} }: { before?: number; init?: Parameters<typeof openWay>[0] } = {}) {
  await using stack = new AsyncDisposableStack()
  const registry = stack.use(await startHostileRegistry())
  const directory = stack.use(await tempDirectory())
  const way = stack.use(openWay(init))
  const file = join(directory.path, 'x', 'data')
  await mkdir(join(directory.path, 'x'))
  await writeFile(file, content.subarray(0, before))
  const advanced: number[] = []
  const owned = stack.move()
  return {
    registry,
    directory: directory.path,
    file,
    advanced,
    run(more: { offset?: number; size?: number; path?: string; signal?: AbortSignal; advance?: (offset: number) => Promise<void> } = {}) {
      const { signal = never.signal, advance = async (offset: number) => void advanced.push(offset) } = more
      const request = {
        name: `${registry.host}/a`,
        descriptor: { ...blob.descriptor, size: more.size ?? size },
        path: more.path ?? file,
        offset: more.offset ?? before,
      }
      return Array.fromAsync(
        streamBlob({ registries: way.registries, directory: directory.path, advance }, request, { signal, resumeMs: 1 }),
      )
    },
    ranges: () => registry.seen.map(({ headers }) => headers.range),
    whole: async () => Buffer.compare(await readFile(file), content) === 0,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('a blob of the real registry comes into the file whole, and from an offset on', async () => {
  await using registry = await startRegistry()
  await using course = await startCourse()
  await using way = openWay()
  await pushBlob(registry, 'a', blob)
  const components = {
    registries: way.registries,
    directory: course.directory,
    advance: async (offset: number) => void course.advanced.push(offset),
  }
  const request = { name: `${registry.host}/a`, descriptor: blob.descriptor, path: course.file, offset: 0 }
  const items = await Array.fromAsync(streamBlob(components, request, never))
  expect(items.at(-1)).toEqual({ offset: size })
  expect(course.advanced.at(-1)).toBe(size)
  expect(await course.whole()).toBe(true)
  await writeFile(course.file, content.subarray(0, 1000))
  await Array.fromAsync(streamBlob(components, { ...request, offset: 1000 }, never))
  expect(await course.whole()).toBe(true)
})

test('how far it is is told in large steps, in order, and in the end exactly', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content))
  const items = await course.run()
  expect(course.advanced.length).toBeLessThan(10)
  expect(course.advanced).toEqual(course.advanced.toSorted((a, b) => a - b))
  expect(course.advanced.at(-1)).toBe(size)
  expect(items.at(-1)).toEqual({ offset: size })
})

test('a range is asked for only when there is something already', async () => {
  await using course = await startCourse({ before: 1000 })
  course.registry.on(path, bytes(content))
  await course.run()
  await course.run({ offset: 0 })
  expect(course.ranges()).toEqual(['bytes=1000-', undefined])
  expect(await course.whole()).toBe(true)
})

test('a manifest is streamed from where registries keep manifests', async () => {
  await using registry = await startRegistry()
  await using course = await startCourse()
  await using way = openWay()
  const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
  const name = await pushImage(registry, 'a:v1', image)
  const components = { registries: way.registries, directory: course.directory, advance: async () => {} }
  await Array.fromAsync(streamBlob(components, { name, descriptor: image.manifest.descriptor, path: course.file, offset: 0 }, never))
  expect(Buffer.compare(await readFile(course.file), image.manifest.bytes)).toBe(0)
})

test('what is there whole, or is empty, is not asked for', async () => {
  await using course = await startCourse({ before: size })
  expect(await course.run()).toEqual([{ offset: size }])
  expect(await course.run({ offset: 0, size: 0 })).toEqual([{ offset: 0 }])
  expect(course.advanced).toEqual([size, 0])
  expect(course.registry.seen).toEqual([])
})

test('a registry that ignores ranges: what is there is passed over', async () => {
  await using course = await startCourse({ before: 1_000_000 })
  course.registry.on(path, bytes(content, { ranges: 'ignored' }))
  await course.run()
  expect(course.ranges()).toEqual(['bytes=1000000-'])
  expect(await course.whole()).toBe(true)
})

test('another range than asked for is data loss, and nothing of it is written', async () => {
  await using course = await startCourse({ before: 1000 })
  course.registry.on(path, bytes(content, { ranges: 'wrong' }))
  expect(await failureOf(course.run())).toMatchObject({ code: 'data_loss', message: expect.stringContaining('asked for bytes 1000 to') })
  expect((await readFile(course.file)).length).toBe(1000)
})

test.each<[string, Delivering, Parameters<typeof openWay>[0]]>([
  ['is closed early', { cutAfter: 100_000 }, {}],
  ['is closed early without having announced a length', { cutAfter: 100_000, chunked: true }, {}],
  ['ends early as if that were all', { endAfter: 100_000 }, {}],
  ['says nothing more', { stallAfter: 100_000 }, { pieceMs: 100 }],
])('a connection that %s: it goes on at the byte reached', async (_, delivering, init) => {
  await using course = await startCourse({ init })
  course.registry.on(path, bytes(content, delivering), bytes(content))
  await course.run()
  expect(course.ranges()).toEqual([undefined, 'bytes=100000-'])
  expect(await course.whole()).toBe(true)
})

test('cut off again and again, it goes on as long as that brings something', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content, { cutAfter: 300_000 }))
  await course.run()
  expect(course.registry.seen.length).toBe(Math.ceil(size / 300_000))
  expect(await course.whole()).toBe(true)
})

test('cut off without bringing anything, it is given up as unavailable, what is there stays and is told', async () => {
  await using course = await startCourse({ before: 1000 })
  course.registry.on(path, bytes(content, { cutAfter: 10 }))
  const { code, message } = await failureOf(course.run())
  expect(code).toBe('unavailable')
  expect(message).toMatch(new RegExp(`^stream blob ${digest} of 127.*/a:latest: the connection was closed early, at byte 1040 of ${size}$`))
  expect(course.registry.seen).toHaveLength(4)
  expect(course.advanced.at(-1)).toBe(1040)
  expect((await readFile(course.file)).equals(content.subarray(0, 1040))).toBe(true)
})

test('fewer bytes than declared are data loss', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content.subarray(0, 1000)))
  expect(await failureOf(course.run())).toMatchObject({ code: 'data_loss', message: expect.stringContaining(`no byte 1000 of ${size}`) })
  course.registry.on(path, bytes(content, { endAfter: 0 }))
  expect(await failureOf(course.run())).toMatchObject({
    code: 'data_loss',
    message: expect.stringContaining(`0 bytes of the ${size} declared`),
  })
})

test('more bytes than declared are data loss, known from the headers or not', async () => {
  await using course = await startCourse()
  for (const chunked of [false, true]) {
    course.registry.on(path, bytes(content, { chunked }))
    expect(await failureOf(course.run({ size: size - 1 }))).toMatchObject({
      code: 'data_loss',
      message: expect.stringContaining('sends more'),
    })
    expect((await readFile(course.file)).length).toBeLessThan(size)
  }
})

test('an answer that is none fails by its status', async () => {
  await using course = await startCourse()
  course.registry.on(path, status(404, { errors: [{ code: 'BLOB_UNKNOWN', message: 'gone' }] }))
  expect(await failureOf(course.run())).toMatchObject({
    code: 'not_found',
    message: expect.stringMatching(/answered 404 \(BLOB_UNKNOWN: gone\)$/),
  })
})

test('a file that was not lent is not written', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content))
  await symlink('data', join(course.directory, 'x', 'link'))
  for (const [file, code] of [
    ['/etc/passwd', 'invalid_argument'],
    [`${course.directory}/x/../../outside`, 'invalid_argument'],
    [`${course.directory}/x/link`, 'invalid_argument'],
    [`${course.directory}/x/none`, 'not_found'],
  ] as const)
    expect(await failureOf(course.run({ path: file }))).toMatchObject({ code, message: expect.stringContaining(`write ${file}`) })
  expect(course.registry.seen).toEqual([])
})

test('an offset the file has not reached, or past the end, is refused', async () => {
  await using course = await startCourse({ before: 10 })
  expect(await failureOf(course.run({ offset: 11 }))).toMatchObject({ code: 'failed_precondition' })
  expect(await failureOf(course.run({ offset: size + 1 }))).toMatchObject({ code: 'failed_precondition' })
})

test.skipIf(process.getuid?.() !== 0)('a full disk is told as such, and the registry is not asked again', async () => {
  await using course = await startCourse()
  const small = join(course.directory, 'small')
  await mkdir(small)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
  try {
    const file = join(small, 'data')
    await writeFile(file, '')
    course.registry.on(path, bytes(content))
    const failure = await failureOf(course.run({ path: file }))
    expect(failure).toMatchObject({ code: 'resource_exhausted', message: expect.stringContaining(`write ${file}: no space left`) })
    expect(course.registry.seen).toHaveLength(1)
    expect(course.advanced.at(-1)).toBe((await readFile(file)).length)
  } finally {
    execFileSync('umount', [small])
  }
})

test('several blobs come over connections of their own', async () => {
  await using first = await startCourse()
  const waiting: (() => void)[] = []
  // Nobody is answered before all have asked.
  first.registry.on(path, (request, response) => {
    waiting.push(() => bytes(content)(request, response))
    if (waiting.length === 3) for (const answer of waiting) answer()
  })
  const files = ['1', '2', '3'].map((name) => join(first.directory, 'x', name))
  for (const file of files) await writeFile(file, '')
  await Promise.all(files.map((file) => first.run({ path: file })))
  for (const file of files) expect(Buffer.compare(await readFile(file), content)).toBe(0)
})

test('an ingest that is gone ends it', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content, { stallAfter: 2_000_000 }))
  const gone = async () => {
    throw new Failure('not_found', 'advance: no such ingest')
  }
  expect(await failureOf(course.run({ advance: gone }))).toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining('its ingest does not go on: advance: no such ingest'),
  })
})

test('a slow ingest does not hold the download up, and is told less often', async () => {
  await using course = await startCourse()
  course.registry.on(path, bytes(content))
  const first = Promise.withResolvers<void>()
  const told: number[] = []
  const advance = async (offset: number) => {
    told.push(offset)
    if (told.length === 1) await first.promise
  }
  const running = course.run({ advance })
  while ((await readFile(course.file)).length < size) await new Promise(setImmediate)
  first.resolve()
  await running
  expect(told).toHaveLength(2)
  expect(told.at(-1)).toBe(size)
})

test('a blob gives up when told to: what is there stays, and is told exactly', async () => {
  await using course = await startCourse()
  const controller = new AbortController()
  course.registry.on(path, bytes(content, { stallAfter: 2_000_000 }))
  const advance = async (offset: number) => {
    course.advanced.push(offset)
    if (offset === 2_000_000) controller.abort()
  }
  expect((await failureOf(course.run({ signal: controller.signal, advance }))).code).toBe('cancelled')
  expect(course.advanced.at(-1)).toBe(2_000_000)
  expect((await readFile(course.file)).equals(content.subarray(0, 2_000_000))).toBe(true)
  expect(await failureOf(course.run({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'cancelled' })
})
