import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asidePath, sweepAsides } from '../../../actors/swarm/aside.ts'
import { openPieceFile, type PieceFile } from '../../../actors/swarm/file.ts'
import { openMemory } from '../../../actors/swarm/memory.ts'
import { boundsOf, countOf, type Pieces, pieces } from '../../../actors/swarm/pieces.ts'
import { pieceSize } from '../../../messages/swarm.ts'
import { thisProcess } from '../../../runtime/alive.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import { bounded } from '../../support/properties.ts'
import { tempDirectory } from '../../support/temp.ts'

const size = 5 * pieceSize + 1234
const blob = randomBytes(size)
const piece = (index: number): Buffer => blob.subarray(boundsOf(index, size).start, boundsOf(index, size).end)

test('pieces in any order come to be the blob, of which the file is always a beginning', async () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 })
  await fc.assert(
    fc.asyncProperty(order, fc.nat(size), async (all, offset) => {
      await using at = await somewhere(offset)
      for (const index of all) {
        if (at.here.has(index)) continue
        await at.file.write(index, piece(index))
        at.here.add(index)
        await at.file.settle()
        expect((await readFile(at.path)).equals(blob.subarray(0, at.file.prefix))).toBe(true)
        expect((await at.file.read(index)).length).toBe(piece(index).length)
      }
      expect(at.file.prefix).toBe(size)
      expect(at.grown.at(-1) ?? offset).toBe(size)
    }),
    bounded({ runs: 25, ms: 5_000 }),
  )
})

test('gone on with at whatever byte the lent file has then, what waited is still here, and nothing else', async () => {
  const some = fc.uniqueArray(fc.nat(5))
  await fc.assert(
    fc.asyncProperty(some, fc.nat(size), async (before, offset) => {
      await using at = await somewhere(0)
      for (const index of before) {
        await at.file.write(index, piece(index))
        at.here.add(index)
        await at.file.settle()
      }
      // Whoever had it meanwhile wrote it further, or cut it.
      await writeFile(at.path, blob.subarray(0, offset))
      await at.goOn(offset)
      for (let index = 0; index < countOf(size); index++) {
        if (boundsOf(index, size).end <= offset) expect(at.here.has(index)).toBe(true)
        if (at.here.has(index)) expect(Buffer.compare(await at.file.read(index), piece(index))).toBe(0)
        else {
          await at.file.write(index, piece(index))
          at.here.add(index)
        }
      }
      await at.file.settle()
      expect((await readFile(at.path)).equals(blob)).toBe(true)
    }),
    bounded({ runs: 25, ms: 5_000 }),
  )
})

test('what another writes at its turn grows the file, and what came meanwhile follows', async () => {
  await using at = await somewhere(100)
  const lent = await at.file.lend(0)
  expect(lent).toMatchObject({ path: at.path, offset: 100 })
  await at.file.write(2, piece(2))
  at.here.add(2)
  await at.file.settle()
  expect(at.file.prefix).toBe(100)
  await writeFile(at.path, blob.subarray(0, 2 * pieceSize))
  await lent.landed(0)
  expect(at.file.prefix).toBe(pieceSize)
  await lent.landed(1)
  await lent.done()
  expect(at.file.prefix).toBe(3 * pieceSize)
})

test('what another writes before its turn waits', async () => {
  await using at = await somewhere(0)
  const lent = await at.file.lend(3)
  expect(lent.path).not.toBe(at.path)
  const before = await readFile(lent.path)
  await writeFile(lent.path, Buffer.concat([before.subarray(0, lent.offset), piece(3), before.subarray(lent.offset + pieceSize)]))
  await lent.landed(3)
  await lent.done()
  expect(at.file.prefix).toBe(0)
  expect(Buffer.compare(await at.file.read(3), piece(3))).toBe(0)
  for (const index of [0, 1, 2]) await at.file.write(index, piece(index))
  await at.file.settle()
  expect(at.file.prefix).toBe(4 * pieceSize)
})

test('a file that was cut behind its back is data lost, not bytes made up', async () => {
  await using at = await somewhere(2 * pieceSize)
  await truncate(at.path, 10)
  await expect(at.file.read(1)).rejects.toMatchObject({ code: 'data_loss' })
})

test('a lent file that is gone is said to be', async () => {
  await using directory = await tempDirectory()
  await using file = openPieceFile({ size, here: pieces(size), beside: join(directory.path, 'x.pieces'), memory: openMemory() })
  await expect(file.goOn({ path: join(directory.path, 'no'), offset: 0, grown: () => {} })).rejects.toMatchObject({ code: 'not_found' })
  await expect(file.settle()).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('what waits is taken away with it, and by the next process where it was killed; of who lives it stays', async () => {
  const me = await thisProcess()
  await using directory = await tempDirectory()
  const theirs = asidePath(directory.path, me)
  const dead = asidePath(directory.path, { ...me, started: '1' })
  const others = ['a.pieces', 'data', `${me.pid}-x.pieces`].map((name) => join(directory.path, name))
  for (const path of [theirs, dead, ...others]) await writeFile(path, 'x')
  await sweepAsides(directory.path, me)
  expect((await readdir(directory.path)).toSorted()).toEqual(
    [theirs, ...others].map((path) => path.slice(directory.path.length + 1)).toSorted(),
  )
  await expect(sweepAsides(directory.path, me, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')

  const at = await somewhere(0)
  await at.file.write(3, piece(3))
  expect((await readdir(at.directory)).filter((name) => name.endsWith('.pieces'))).toHaveLength(1)
  await at.file[Symbol.asyncDispose]()
  expect((await readdir(at.directory)).filter((name) => name.endsWith('.pieces'))).toHaveLength(0)
  await at[Symbol.asyncDispose]()
})

describe.runIf(process.getuid?.() === 0)('on a disk of 4 MiB', () => {
  test('what finds no room is resource_exhausted, and leaves some', async () => {
    await using directory = await tempDirectory()
    await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=4m'] }], directory.path)
    await using at = await somewhere(0, directory.path)
    const write = async () => {
      for (const index of [5, 4, 3, 2, 1, 0]) await at.file.write(index, piece(index))
    }
    await expect(write()).rejects.toMatchObject({ code: 'resource_exhausted' })
    await writeFile(join(directory.path, 'last words'), 'x'.repeat(1000))
    expect((await stat(join(directory.path, 'last words'))).size).toBe(1000)
  })
})

interface At extends AsyncDisposable {
  readonly directory: string
  readonly path: string
  readonly file: PieceFile
  readonly here: Pieces
  readonly grown: number[]
  goOn(offset: number): Promise<void>
}

/** A lent file that has a beginning of the blob. */
async function somewhere(offset: number, root?: string): Promise<At> {
  await using stack = new AsyncDisposableStack()
  const directory = root ?? stack.use(await tempDirectory()).path
  await mkdir(join(directory, 'ingest'))
  const path = join(directory, 'ingest', 'data')
  await writeFile(path, blob.subarray(0, offset))
  const here = pieces(size)
  const file = stack.use(openPieceFile({ size, here, beside: asidePath(directory, await thisProcess()), memory: openMemory() }))
  const grown: number[] = []
  const goOn = (from: number) => file.goOn({ path, offset: from, grown: (prefix) => grown.push(prefix) })
  await goOn(offset)
  const kept = stack.move()
  return { directory, path, file, here, grown, goOn, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
