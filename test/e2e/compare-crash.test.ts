import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { busyboxImage } from '../../ops/lab/images.ts'
import { mountedUnder } from '../../runtime/mounts.ts'
import { startHostileRegistry } from '../support/hostile-registry.ts'
import { begin, startNode } from '../support/node.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 120_000 })

test('a node that is killed while it makes a layer leaves nothing that is not found', async () => {
  await using registry = await startHostileRegistry()
  await using directory = await tempDirectory()
  const root = directory.path
  const reference = serveImage(registry, 'busybox', await busyboxImage())
  {
    await using node = await startNode({ root })
    expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
    const large = 'head -c 100000000 /dev/urandom > /large'
    expect(await node.run('ctr', ['run', '--id', 'c', reference, 'sh', '-c', large])).toMatchObject({ exitCode: 0, stderr: '' })
    await using bus = await node.connect()
    const begun = Promise.withResolvers<void>()
    await using opened = bus.subscribe(`gantry.event.${node.name}.ingest.advanced`, () => begun.resolve())
    await opened.ready
    const diff = begin('dist', ['diff', 'c', '--keep'], { env: { GANTRY_ROOT: root } })
    await begun.promise
    expect((await mountedUnder(join(root, 'tmp'))).length).toBe(1)
    await node.kill()
    diff.child.kill('SIGKILL')
    await diff.ran
  }
  await using node = await startNode({ root })
  expect(await mountedUnder(join(root, 'tmp'))).toEqual([])
  expect(readdirSync(join(root, 'tmp'))).toEqual([])
  // what was made for it is held by leases that end by themselves; sooner if somebody ends them
  const leases = (await node.run('ctr', ['leases', 'ls'])).stdout.trimEnd().split('\n')
  expect(leases.length).toBe(2)
  await node.run('ctr', ['leases', 'rm', ...leases.map((line) => line.split('\t')[0] ?? '')])
  await node.run('gantry', ['gc'])
  expect((await node.run('ctr', ['snapshots', 'ls'])).stdout).not.toContain('compare-')
  expect((await node.run('dist', ['active'])).stdout).toBe('')
  expect(await node.run('dist', ['diff', 'c', '--keep', '--compression', 'none'])).toMatchObject({ exitCode: 0, stderr: '' })
  expect(await node.run('ctr', ['containers', 'rm', '--force', 'c'])).toMatchObject({ exitCode: 0 })
})
