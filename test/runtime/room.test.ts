import { open, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mountAll } from '../../runtime/mounts.ts'
import { giveBack, leavingRoom, takeRoom } from '../../runtime/room.ts'
import { tempDirectory } from '../support/temp.ts'

const mebibyte = 2 ** 20

describe.runIf(process.getuid?.() === 0)('room on a disk of 16 MiB', () => {
  test('is there until an eighth is left; then there is no space', async () => {
    await using directory = await tempDirectory()
    await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=16m'] }], directory.path)
    const spend = leavingRoom(directory.path)
    for (let i = 0; i < 13; i++) {
      spend(mebibyte)
      await writeFile(join(directory.path, String(i)), Buffer.alloc(mebibyte))
    }
    expect(() => spend(2 * mebibyte)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(() => leavingRoom(directory.path)(2 * mebibyte)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  })

  test('is looked at again when somebody else takes it', async () => {
    await using directory = await tempDirectory()
    await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=16m'] }], directory.path)
    const spend = leavingRoom(directory.path)
    spend(1)
    await writeFile(join(directory.path, 'theirs'), Buffer.alloc(14 * mebibyte))
    expect(() => {
      for (let i = 0; i < 8; i++) spend(mebibyte / 4)
    }).toThrow('no space left on device')
  })

  test('that was taken beforehand may be written when no other is left', async () => {
    await using directory = await tempDirectory()
    await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=16m'] }], directory.path)
    await using file = await open(join(directory.path, 'ours'), 'w')
    await takeRoom(file, { directory: directory.path, total: 4 * mebibyte })
    await writeFile(join(directory.path, 'theirs'), Buffer.alloc(11 * mebibyte))
    expect(() => leavingRoom(directory.path)(2 * mebibyte)).toThrow('no space left on device')
    expect(() => leavingRoom(directory.path, file.fd)(2 * mebibyte)).not.toThrow()
    await giveBack(file, 4 * mebibyte)
    expect(() => leavingRoom(directory.path, file.fd)(2 * mebibyte)).not.toThrow()
    await writeFile(join(directory.path, 'more'), Buffer.alloc(3 * mebibyte))
    expect(() => leavingRoom(directory.path, file.fd)(2 * mebibyte)).toThrow('no space left on device')
  })

  test('is taken whole or not at all', async () => {
    await using directory = await tempDirectory()
    await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=16m'] }], directory.path)
    await using file = await open(join(directory.path, 'ours'), 'w')
    const { bavail } = await statfs(directory.path)
    await expect(takeRoom(file, { directory: directory.path, total: 15 * mebibyte })).rejects.toMatchObject({ code: 'ENOSPC' })
    expect((await statfs(directory.path)).bavail).toBe(bavail)
    await takeRoom(file, { directory: directory.path, total: 1000 })
    expect((await statfs(directory.path)).bavail).toBe(bavail)
  })
})
