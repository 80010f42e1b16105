import { execFile } from 'node:child_process'
import { mkdir, readdir, stat, statfs, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { digestOf, type Store, startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
const mebibyte = 2 ** 20

/** A store whose content is on a disk of its own. */
async function startOn(mount: (content: string, root: string) => Promise<void>): Promise<Store & { readonly disk: string }> {
  await using stack = new AsyncDisposableStack()
  const root = stack.use(await tempDirectory()).path
  const disk = join(root, 'content')
  await mkdir(disk)
  await mount(disk, root)
  stack.defer(async () => {
    await run('umount', [disk])
  })
  const store = stack.use(await startStore({ root }))
  const scope = stack.move()
  return { ...store, disk, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

const tmpfs = (size: string) => (disk: string) =>
  run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', disk]).then(() => {})

/** ext4 in a file; without extents it cannot take room beforehand. */
const ext4 = (size: number, features: string) => async (disk: string, root: string) => {
  const image = join(root, 'image')
  await run('truncate', ['-s', `${size}`, image])
  await run('mkfs.ext4', ['-q', '-m', '0', '-O', features, image])
  await run('mount', ['-o', 'loop', image, disk])
}

const freeOn = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

const sent = async ({ ingest }: Store, token: string, from: number, to: number) => {
  for (let at = from; at < to; at += 500_000)
    await ingest.write({ token, offset: at, bytes: Buffer.alloc(Math.min(500_000, to - at), 'x') })
}

describe.runIf(process.getuid?.() === 0)('a disk', () => {
  for (const [name, mount] of [
    ['tmpfs', tmpfs('32m')],
    ['ext4', ext4(64 * mebibyte, 'extents')],
  ] as const) {
    test(`of ${name} with room has it taken before the first byte, given back when the writer leaves off, and taken again`, async () => {
      await using store = await startOn(mount)
      const before = await freeOn(store.disk)
      const total = 10 * mebibyte
      const { token, path } = await store.ingest.open({ reference: 'r', total })
      expect(before - (await freeOn(store.disk))).toBeGreaterThanOrEqual(total)
      expect((await stat(path)).size).toBe(0)
      await sent(store, token, 0, mebibyte)
      await store.ingest.close({ token })
      expect(before - (await freeOn(store.disk))).toBeLessThan(2 * mebibyte)
      const again = await store.ingest.open({ reference: 'r', total })
      expect(again.offset).toBe(mebibyte)
      expect(before - (await freeOn(store.disk))).toBeGreaterThanOrEqual(total)
      await store.ingest.truncate({ token: again.token, offset: 0 })
      await sent(store, again.token, 0, total)
      expect(await store.ingest.commit({ token: again.token })).toMatchObject({ size: total })
    })
  }

  test('without so much room refuses at once, and nothing is left behind', async () => {
    await using store = await startOn(tmpfs('32m'))
    const before = await freeOn(store.disk)
    await expect(store.ingest.open({ reference: 'r', total: 100 * mebibyte })).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect((await store.ingest.list({})).ingests).toEqual([])
    expect(await readdir(join(store.disk, 'ingest'))).toEqual([])
    expect(await freeOn(store.disk)).toBeGreaterThanOrEqual(before - 4096)
    const small = Buffer.from('still served')
    await store.ingest.put({ digest: digestOf(small), bytes: small })
  })

  test('without so much room refuses to go on, and what is there stays', async () => {
    await using store = await startOn(tmpfs('32m'))
    const { token } = await store.ingest.open({ reference: 'r' })
    await sent(store, token, 0, mebibyte)
    await store.ingest.close({ token })
    await expect(store.ingest.open({ reference: 'r', total: 100 * mebibyte })).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ state: 'closed', offset: mebibyte })
  })

  test('that fills up in the middle ends the transfer, keeps what can be gone on with, and serves on', async () => {
    await using store = await startOn(tmpfs('4m'))
    const small = Buffer.from('there before')
    await store.ingest.put({ digest: digestOf(small), bytes: small })
    const { token } = await store.ingest.open({ reference: 'r' })
    await expect(sent(store, token, 0, 8 * mebibyte)).rejects.toMatchObject({ code: 'resource_exhausted' })
    const { offset } = await store.ingest.status({ reference: 'r' })
    expect(offset).toBeGreaterThan(2 * mebibyte)
    await store.ingest.close({ token })
    // A little is left, for what frees the disk has to be written down.
    expect(await freeOn(store.disk)).toBeGreaterThanOrEqual(mebibyte / 2)
    await store.content.verify({ digest: digestOf(small) })
    await store.content.remove({ digest: digestOf(small) })
    await run('mount', ['-o', 'remount,size=32m', store.disk])
    const again = await store.ingest.open({ reference: 'r', total: 8 * mebibyte })
    expect(again.offset).toBe(offset)
    await sent(store, again.token, offset, 8 * mebibyte)
    expect(await store.ingest.commit({ token: again.token })).toMatchObject({ digest: digestOf(Buffer.alloc(8 * mebibyte, 'x')) })
  })

  test('that cannot take room beforehand is used all the same', async () => {
    await using store = await startOn(ext4(64 * mebibyte, '^extents,^64bit,^metadata_csum'))
    const { token } = await store.ingest.open({ reference: 'r', total: 4 * mebibyte })
    await sent(store, token, 0, 4 * mebibyte)
    expect(await store.ingest.commit({ token })).toMatchObject({ size: 4 * mebibyte })
    await expect(store.ingest.open({ reference: 's', total: 100 * mebibyte })).rejects.toMatchObject({ code: 'resource_exhausted' })
  })
})

test('a file cut short behind its writer is data lost, not a crash', async () => {
  await using store = await startStore()
  const { token, path } = await store.ingest.open({ reference: 'r' })
  await sent(store, token, 0, 3 * mebibyte)
  await truncate(path, 10)
  await expect(store.ingest.commit({ token, size: 3 * mebibyte })).rejects.toMatchObject({ code: 'data_loss' })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ state: 'closed', offset: 10 })
})
