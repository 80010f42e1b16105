/** What the difference of any two trees, applied to one, makes is the other: with both ways to find it, and both ways to apply it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mountAll } from '../../../../runtime/mounts.ts'
import { fileTree, treeDifference } from '../../../support/file-tree.ts'
import { bounded } from '../../../support/properties.ts'
import { ground, isRoot } from '../applying.ts'
import { madeOf } from './comparing.ts'
import { deeds, doAll } from './doing.ts'

/** Times as layers tell them; that of the root is not told. */
function seen(root: string): Map<string, string> {
  const lines = fileTree(root)
  return new Map(
    [...lines].map(([path, line]) => [path, path === '.' ? line.replace(/time \d+/, '') : line.replace(/time (\d+)\d{9}/, 'time $1')]),
  )
}

const made = (base: string, name: string): string => {
  const path = join(base, name)
  mkdirSync(path)
  return path
}
const copied = (from: string, base: string, name: string): string => {
  execFileSync('cp', ['-a', from, join(base, name)])
  return join(base, name)
}

async function overlaid<T>({ lower, upper }: { lower: string; upper: string }, work: (merged: string) => Promise<T>): Promise<T> {
  const [merged, own] = [`${upper}-merged`, `${upper}-work`]
  for (const path of [merged, own]) mkdirSync(path)
  const options = ['index=off', 'redirect_dir=nofollow', 'metacopy=off', `lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${own}`]
  try {
    await using _ = await mountAll([{ type: 'overlay', source: 'overlay', options }], merged)
    return await work(merged)
  } finally {
    rmdirSync(merged)
  }
}

describe.runIf(isRoot)('a difference, applied', () => {
  test('to a copy of the one makes the other', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(deeds, deeds, async (before, after) => {
        using at = ground()
        const lower = made(at.base, 'lower')
        doAll(lower, before)
        const upper = copied(lower, at.base, 'upper')
        doAll(upper, after)
        const layer = await madeOf({ upper, lower })
        expect((await madeOf({ upper, lower })).bytes.equals(layer.bytes)).toBe(true)
        expect((await madeOf({ upper, lower: upper })).names).toEqual([])
        const again = copied(lower, at.base, 'again')
        await at.apply(layer.bytes, { path: again, expected: layer.diffId })
        expect(treeDifference(seen(upper), seen(again))).toEqual([])
        expect((await madeOf({ upper: again, lower: upper })).names).toEqual([])
      }),
      bounded({ runs: 60, ms: 15_000 }),
    )
  })

  test('of what overlayfs kept makes it again, in a copy and as a layer', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(deeds, deeds, async (before, after) => {
        using at = ground()
        const [lower, upper] = [made(at.base, 'lower'), made(at.base, 'upper')]
        doAll(lower, before)
        await overlaid({ lower, upper }, async (merged) => {
          doAll(merged, after)
          const layer = await madeOf({ upper, lower, finder: 'overlay' })
          expect((await madeOf({ upper, lower, finder: 'overlay' })).bytes.equals(layer.bytes)).toBe(true)
          const walked = await madeOf({ upper: merged, lower })
          for (const [name, { bytes }] of Object.entries({ layer, walked })) {
            const again = copied(lower, at.base, name)
            await at.apply(bytes, { path: again })
            expect({ name, differs: treeDifference(seen(merged), seen(again)) }).toEqual({ name, differs: [] })
          }
          const other = made(at.base, 'other')
          await at.apply(layer.bytes, { path: other, whiteouts: 'overlay' })
          await overlaid({ lower, upper: other }, async (again) => {
            const differs = treeDifference(seen(merged), seen(again)).filter((line) => !/^[-+] \. /.test(line))
            expect(differs).toEqual([])
          })
        })
      }),
      bounded({ runs: 60, ms: 20_000 }),
    )
  })
})
