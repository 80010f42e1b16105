import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, lstat, mkdir, open as openFile, readFile, stat, writeFile } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Open } from './open.ts'

const run = promisify(execFile)

/** What programs rely on of files and directories that are their parent's until they are written. */
export function inodes(open: Open): void {
  test('a directory is the same before and after something in it changes', async () => {
    await using room = await open()
    await room.layer('base', undefined, async (at) => {
      await mkdir(join(at, 'd/sub'), { recursive: true })
      await writeFile(join(at, 'd/file'), '')
    })
    const { mounts } = await room.ask.prepare({ key: 'a', parent: 'base' })
    await room.at(mounts, async (at) => {
      await using held = await openFile(join(at, 'd'))
      const before = [await stat(join(at, 'd')), await stat(join(at, 'd/sub'))].map(({ dev, ino }) => [dev, ino])
      await writeFile(join(at, 'd/file'), 'changed')
      await writeFile(join(at, 'd/sub/new'), '')
      await chmod(join(at, 'd/sub'), 0o700)
      const after = [await stat(join(at, 'd')), await stat(join(at, 'd/sub'))].map(({ dev, ino }) => [dev, ino])
      expect(after).toEqual(before)
      expect((await held.stat()).ino).toBe(before[0]?.[1])
    })
  })

  test('a file is the same before and after it is written, also to one who has it open', async () => {
    await using room = await open()
    await room.layer('base', undefined, (at) => writeFile(join(at, 'file'), 'text'))
    const { mounts } = await room.ask.prepare({ key: 'a', parent: 'base' })
    await room.at(mounts, async (at) => {
      await using held = await openFile(join(at, 'file'))
      const before = await held.stat()
      await writeFile(join(at, 'file'), 'changed')
      const after = await stat(join(at, 'file'))
      expect([after.dev, after.ino]).toEqual([before.dev, before.ino])
      expect((await held.stat()).ino).toBe(before.ino)
      expect(await readFile(join(at, 'file'), 'utf8')).toBe('changed')
    })
  })

  test('a process knows where it is, after its directory was changed', async () => {
    await using room = await open()
    await room.layer('base', undefined, (at) => mkdir(join(at, 'd/sub'), { recursive: true }))
    const { mounts } = await room.ask.prepare({ key: 'a', parent: 'base' })
    await room.at(mounts, async (at) => {
      const script = 'cd d/sub && chmod 700 . && touch new ../new && /bin/pwd'
      const { stdout } = await run('sh', ['-c', script], { cwd: at })
      expect(stdout).toBe(`${join(at, 'd/sub')}\n`)
    })
  })

  test('a mode changes in the child alone, and the content stays', async () => {
    await using room = await open()
    await room.layer('base', undefined, async (at) => {
      await writeFile(join(at, 'file'), 'text')
      await chmod(join(at, 'file'), 0o4755)
      await mkdir(join(at, 'd'))
      await writeFile(join(at, 'd/inside'), '')
    })
    await room.layer('child', 'base', async (at) => {
      await chmod(join(at, 'file'), 0o600)
      await chmod(join(at, 'd'), 0o1777)
    })
    await room.look('child', async (at) => {
      expect((await stat(join(at, 'file'))).mode & 0o7777).toBe(0o600)
      expect(await readFile(join(at, 'file'), 'utf8')).toBe('text')
      expect((await stat(join(at, 'd'))).mode & 0o7777).toBe(0o1777)
      expect((await stat(join(at, 'd/inside'))).isFile()).toBe(true)
    })
    await room.look('base', async (at) => {
      expect((await stat(join(at, 'file'))).mode & 0o7777).toBe(0o4755)
      expect((await stat(join(at, 'd'))).mode & 0o7777).toBe(0o755)
    })
  })

  test('a socket can be listened at and reached in a snapshot; of a committed one its file is left', async () => {
    await using room = await open()
    await room.layer('base', undefined, async (at) => {
      const server = createServer((socket) => socket.end('hello')).listen(join(at, 'socket'))
      await once(server, 'listening')
      const client = createConnection(join(at, 'socket'))
      expect(String(await once(client, 'data'))).toBe('hello')
      // Closing it would take the file away: what a killed server leaves is wanted.
      await run('ln', [join(at, 'socket'), join(at, 'left')])
      await new Promise((resolve) => server.close(resolve))
    })
    await room.layer('child', 'base')
    await room.look('child', async (at) => {
      expect((await lstat(join(at, 'left'))).isSocket()).toBe(true)
      const refused = createConnection(join(at, 'left'))
      const [error] = await once(refused, 'error')
      expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    })
  })
}
