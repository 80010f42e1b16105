import { appendFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Growth, readGrowing } from '../../../actors/unpack/source.ts'
import { tempDirectory } from '../../support/temp.ts'

const signal = new AbortController().signal

async function whole(growth: AsyncIterable<Growth>, size: number): Promise<string> {
  return Buffer.concat(await Array.fromAsync(readGrowing(growth, { size, signal }), (piece) => Buffer.from(piece))).toString()
}

describe('a blob that arrives', () => {
  test('is read as it grows, over its being renamed', async () => {
    await using directory = await tempDirectory()
    const [before, after] = [join(directory.path, 'ingest'), join(directory.path, 'blob')]
    await writeFile(before, 'one')
    async function* growth(): AsyncGenerator<Growth> {
      yield { path: before, offset: 3, complete: false }
      await appendFile(before, 'two')
      yield { path: before, offset: 6, complete: false }
      await rename(before, after)
      yield { path: after, offset: 6, complete: true }
    }
    expect(await whole(growth(), 6)).toBe('onetwo')
  })

  test('and is renamed before it is opened is found where it is now', async () => {
    await using directory = await tempDirectory()
    const after = join(directory.path, 'blob')
    await writeFile(after, 'all')
    async function* growth(): AsyncGenerator<Growth> {
      yield { path: join(directory.path, 'ingest'), offset: 1, complete: false }
      yield { path: after, offset: 3, complete: true }
    }
    expect(await whole(growth(), 3)).toBe('all')
  })

  test('and is nowhere is not_found', async () => {
    async function* growth(): AsyncGenerator<Growth> {
      yield { path: '/nowhere/ingest', offset: 1, complete: false }
      yield { path: '/nowhere/blob', offset: 3, complete: true }
    }
    await expect(whole(growth(), 3)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('and stops before it is whole is unavailable', async () => {
    await using directory = await tempDirectory()
    const path = join(directory.path, 'ingest')
    await writeFile(path, 'on')
    async function* growth(): AsyncGenerator<Growth> {
      yield { path, offset: 2, complete: false }
    }
    await expect(whole(growth(), 3)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
