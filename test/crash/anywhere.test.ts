import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'
import { startStore } from '../support/content.ts'
import { digestsOf, unsound } from '../support/sound.ts'
import { tempDirectory } from '../support/temp.ts'

const points = Number(process.env['GANTRY_TEST_CRASHES'] ?? 200)
const workload = new URL('./workload.process.ts', import.meta.url)

/** What the store must have after all it said: each blob's last word counts. */
function certain(said: readonly string[], before: ReadonlySet<string>): Set<string> {
  const has = new Set(before)
  for (const line of said) {
    const [word, digest = ''] = line.split(' ')
    if (word === 'has') has.add(digest)
    if (word === 'drops') has.delete(digest)
  }
  return has
}

/** Kill one process after the other on one root, each while it works or, one in four, while it starts, and look at what each leaves. */
async function lane(count: number): Promise<void> {
  await using root = await tempDirectory()
  let before: ReadonlySet<string> = new Set()
  for (let point = 0; point < count; point++) {
    await using child = startChild(workload, [root.path, 'n1', 'alone'])
    await child.saying(point % 4 === 0 ? 'starting' : 'working')
    await after(Math.random() * 40)
    await child.kill()
    await using store = await startStore({ root: root.path })
    expect(await unsound(store), `point ${point}`).toEqual([])
    const has = new Set(await digestsOf(store))
    expect([...certain(child.said, before).difference(has)], `lost at point ${point}`).toEqual([])
    before = has
  }
}

test(`killed at ${points} random points, it loses nothing it said it had, keeps nothing that is not whole and leaves nothing behind`, async () => {
  await Promise.all([lane(Math.ceil(points / 2)), lane(Math.floor(points / 2))])
}, 600_000)
