import { chmod, cp, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Info } from '../../messages/content.ts'
import { startChild } from '../support/child.ts'
import { type Store, startStore } from '../support/content.ts'
import { digestsOf, unsound } from '../support/sound.ts'
import { tempDirectory } from '../support/temp.ts'

const workload = new URL('./workload.process.ts', import.meta.url)

/** Have somebody work on the root for a moment, and be killed. */
async function work(root: string): Promise<void> {
  await using child = startChild(workload, [root, 'n1', 'alone'])
  await child.saying('working')
  await after(150)
  await child.kill()
}

/** From now on the machine has been started anew since the store last ran. */
async function rebooted({ home: { tables } }: Store): Promise<void> {
  await tables.transaction(() => tables.table<{ boot: string }>('ingest-boot').put('last', { boot: 'the boot before' }))
}

const fileOf = (root: string, digest: string): string => join(root, 'content/blobs', ...digest.split(':'))

test('after a stop of the machine, what had not reached the disk is let go of, and what had is kept', async () => {
  await using root = await tempDirectory()
  let brought = 0
  for (let round = 0; round < 6; round++) {
    await work(root.path)
    const torn: string[] = []
    const whole: string[] = []
    {
      await using store = await startStore({ root: root.path, syncDelayMs: 1 << 30 })
      const { tables } = store.home
      const content = tables.table<Info>('content')
      const digests = await digestsOf(store)
      for (const [index, digest] of digests.entries()) {
        const lasting = index % 2 === 0
        const info = content.get(digest)
        await tables.transaction(() => info && content.put(digest, { ...info, durable: lasting }))
        const path = fileOf(root.path, digest)
        if (lasting || !info || info.size === 0) {
          whole.push(digest)
          continue
        }
        torn.push(digest)
        await chmod(path, 0o600)
        if (index % 4 === 1) await truncate(path, Math.floor(info.size / 2))
        else await writeFile(path, Buffer.alloc(info.size))
        await chmod(path, 0o444)
      }
      await rebooted(store)
    }
    await using store = await startStore({ root: root.path })
    expect(await unsound(store)).toEqual([])
    expect((await digestsOf(store)).toSorted()).toEqual(whole.toSorted())
    brought += torn.length + whole.length
  }
  // In some moments everything that was brought is removed again.
  expect(brought).toBeGreaterThan(0)
})

test('after a stop of the machine that took the last transactions with it, no blob is without its file and no file without its blob', async () => {
  await using root = await tempDirectory()
  const [meta, before] = [join(root.path, 'meta'), join(root.path, 'meta-before')]
  for (let round = 0; round < 6; round++) {
    await work(root.path)
    {
      await using store = await startStore({ root: root.path })
      await rebooted(store)
    }
    await cp(meta, before, { recursive: true })
    await work(root.path)
    await rm(meta, { recursive: true })
    await cp(before, meta, { recursive: true })
    await rm(before, { recursive: true })
    await using store = await startStore({ root: root.path })
    expect(await unsound(store), `round ${round}`).toEqual([])
  }
})
