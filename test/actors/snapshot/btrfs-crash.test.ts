import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { named, openLoop, whyNoLoop } from '../../support/loop.ts'
import { surviveDeaths } from './deaths.ts'

const why = await whyNoLoop('btrfs')

describe.skipIf(why !== undefined)(named('on btrfs', why), async () => {
  if (why !== undefined) return
  const loop = await openLoop('btrfs')
  afterAll(() => loop[Symbol.asyncDispose]())

  /** Of what a life leaves there, one subvolume is the base; all others are gone once swept. */
  async function newRoot() {
    const path = await mkdtemp(join(loop.path, 'root-'))
    return {
      path,
      async [Symbol.asyncDispose]() {
        const { stdout } = await promisify(execFile)('btrfs', ['subvolume', 'list', path])
        const here = stdout.split('\n').filter((line) => line.includes(`${basename(path)}/`))
        expect(here.filter((line) => !line.includes('/removing/'))).toEqual([expect.stringMatching(/\/snapshots\/btrfs\/1\/fs$/)])
      },
    }
  }

  test.for(['before', 'after'] as const)(
    'killed at any write, it carries on, and no subvolume is left that no snapshot has: %s',
    { timeout: 120_000 },
    async (side) => surviveDeaths('btrfs', side, newRoot),
  )
})
