import { mkdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Library, openLibrary } from '../../../actors/swarm/library.ts'
import { type Gained, pieceSize } from '../../../messages/swarm.ts'
import type { Blob } from '../../../ops/lab/images.ts'
import { type Blobs, openBlobs } from '../../../runtime/blobs.ts'
import { noLog } from '../../../runtime/no-log.ts'
import { openTables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'
import { aBlob } from './setup.ts'

const blob = aBlob(2 * pieceSize + 77)
const { digest, size } = blob.descriptor

test('what is asked for is hashed, told piece by piece, and known from then on, also after a restart', async () => {
  await using at = await shelves()
  await at.put(blob)
  const first = at.open()
  first.library.add(digest, size)
  expect(first.library.holding(digest)).toEqual({ node: 'n1', digest, size, complete: true })
  await expect.poll(() => first.gained.length).toBe(3)
  const whole = first.library.holding(digest)
  expect(whole).toMatchObject({ complete: true, size })
  expect(whole?.map).toHaveLength(3 * 32)
  await expect.poll(() => at.stored(digest)).toBe(true)

  const second = at.open()
  second.library.add(digest, size)
  expect(second.library.holding(digest)).toEqual(whole)
  expect(second.gained).toEqual([])
})

test('bytes come from anywhere in it, and from nowhere else', async () => {
  await using at = await shelves()
  await at.put(blob)
  const { library } = at.open()
  library.add(digest, size)
  expect(
    Buffer.compare(await library.read(digest, { offset: pieceSize - 5, length: 10 }), blob.bytes.subarray(pieceSize - 5, pieceSize + 5)),
  ).toBe(0)
  await expect(library.read(digest, { offset: size - 5, length: 10 })).rejects.toMatchObject({ code: 'out_of_range' })
  await expect(library.read(`sha256:${'0'.repeat(64)}`, { offset: 0, length: 10 })).rejects.toMatchObject({ code: 'not_found' })
})

test('a file that is gone, or cut, is said to be missing, by who reads and by who hashes', async () => {
  for (const harm of [(path: string) => unlink(path), (path: string) => writeFile(path, 'x')]) {
    await using at = await shelves()
    await at.put(blob)
    const reading = at.open()
    reading.library.add(digest, size)
    await harm(at.blobs.blob(digest))
    await expect(reading.library.read(digest, { offset: pieceSize, length: 10 })).rejects.toMatchObject({
      code: expect.stringMatching(/not_found|data_loss/),
    })
    expect(reading.missing).toEqual([digest])

    const hashing = at.open()
    hashing.library.add(digest, size)
    hashing.library.holding(digest)
    await expect.poll(() => hashing.missing).toEqual([digest])
  }
})

test('a file that is not what its digest says is said to be missing once its pieces were hashed, and what they hash to is not kept', async () => {
  await using at = await shelves()
  await at.put(blob)
  const { library, missing } = at.open()
  library.add(digest, size)
  await writeFile(at.blobs.blob(digest), Buffer.alloc(size))
  library.holding(digest)
  await expect.poll(() => missing).toEqual([digest])
  expect(at.stored(digest)).toBe(false)
})

test('what is removed is not offered, and what it hashed to is forgotten', async () => {
  await using at = await shelves()
  await at.put(blob)
  const { library } = at.open()
  library.add(digest, size, new Uint8Array(3 * 32).fill(9))
  expect(library.holding(digest)).toMatchObject({ complete: true })
  await expect.poll(() => at.stored(digest)).toBe(true)
  library.remove(digest)
  expect(library.has(digest)).toBe(false)
  expect(library.holding(digest)).toBeUndefined()
  await expect.poll(() => at.stored(digest)).toBe(false)
})

interface Opened {
  readonly library: Library
  readonly gained: Omit<Gained, 'node'>[]
  readonly missing: string[]
}

async function shelves(): Promise<
  AsyncDisposable & { blobs: Blobs; put(blob: Blob): Promise<void>; open(): Opened; stored(digest: string): boolean }
> {
  await using stack = new AsyncDisposableStack()
  const root = stack.use(await tempDirectory()).path
  const tables = stack.use(await openTables(join(root, 'meta')))
  const blobs = await openBlobs(root)
  const kept = stack.move()
  return {
    blobs,
    async put({ descriptor, bytes }) {
      await mkdir(dirname(blobs.blob(descriptor.digest)), { recursive: true })
      await writeFile(blobs.blob(descriptor.digest), bytes)
    },
    open() {
      const gained: Omit<Gained, 'node'>[] = []
      const missing: string[] = []
      const library = openLibrary({
        node: 'n1',
        blobs,
        tables,
        log: noLog,
        gained: (_, one) => void gained.push(one),
        missing: (one) => void missing.push(one),
      })
      return { library, gained, missing }
    },
    stored: (one) => tables.table('swarm.map').get(one) !== undefined,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
