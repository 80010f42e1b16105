import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cgroupName, probeCgroups, removeCgroup } from '../../../actors/exec/cgroups.ts'
import type { Mount } from '../../../messages/snapshot.ts'
import { livingAt } from '../../../runtime/alive.ts'
import { mountedUnder } from '../../../runtime/mounts.ts'
import { openRoom, processesOf, type Room, reference, runtimesHere } from '../../support/room.ts'
import { tempDirectory } from '../../support/temp.ts'

const { signal } = new AbortController()
const [{ path: runtime } = { path: 'crun' }] = await runtimesHere()
const nowhere: Mount[] = [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/not/there'] }]

/** Have the clean-up of `c` fail, as it does when something is held: what lies below its mount is nobody's to take away. Disposing lets it go. */
async function held(room: Room): Promise<AsyncDisposable> {
  const path = join(room.home.root, 'containers/c/rootfs/held')
  await mkdir(path, { recursive: true })
  return { [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

async function expectNothingLeft({ home: { root } }: Room): Promise<void> {
  expect(await mountedUnder(root)).toEqual([])
  expect(await processesOf(join(root, 'containers'))).toEqual([])
  expect(await readdir(join(root, 'containers'))).toEqual([])
}

async function codes(room: Room): Promise<(number | undefined)[]> {
  const seen: (number | undefined)[] = []
  for await (const { state, exitCode } of room.exec.wait({ id: 'c' })) if (state === 'stopped') seen.push(exitCode)
  return seen
}

test('a task that could not be made, nor cleared away, is no task, and everyone who asks for it is told why', async () => {
  await using room = await openRoom({ mounts: () => nowhere })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  {
    await using _ = await held(room)
    await expect(room.exec.create({ id: 'c' })).rejects.toThrow(/mount overlay/)
    const why = { code: 'unavailable', message: expect.stringContaining('it was never made, and what is left of it') }
    expect((await room.exec.list({})).tasks).toEqual([])
    await expect(room.exec.state({ id: 'c' })).rejects.toMatchObject(why)
    await expect(codes(room)).rejects.toMatchObject(why)
    await expect(room.output('c')).rejects.toMatchObject(why)
    // Its snapshot may still be mounted.
    await expect(room.container.remove({ id: 'c' })).rejects.toMatchObject(why)
    await expect(room.exec.remove({ id: 'c' })).rejects.toThrow(/directory not empty/)
  }
  await expect(room.exec.remove({ id: 'c' })).rejects.toMatchObject({
    code: 'not_found',
    message: 'remove task c: it was never made; what was left of it is gone now',
  })
  await expectNothingLeft(room)
  await room.container.remove({ id: 'c' })
  expect(room.told.filter(({ actor }) => actor === 'exec')).toEqual([])
})

test('what is left of a task that was never made is cleared away before it is made again', async () => {
  let broken = true
  await using room = await openRoom({ runtime, mounts: (mounts) => (broken ? nowhere : mounts) })
  await room.container.create({ id: 'c', image: reference, args: ['sh', '-c', 'exit 3'] })
  {
    await using _ = await held(room)
    await expect(room.exec.create({ id: 'c' })).rejects.toThrow(/mount overlay/)
    broken = false
    await expect(room.exec.create({ id: 'c' })).rejects.toThrow(/directory not empty/)
  }
  await room.exec.create({ id: 'c' })
  await room.exec.start({ id: 'c' })
  expect(await room.exitCode('c')).toBe(3)
})

test('what is left of a task that was never made is cleared away when the node starts again', async () => {
  await using room = await openRoom({ mounts: () => nowhere })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  {
    await using _ = await held(room)
    await expect(room.exec.create({ id: 'c' })).rejects.toThrow(/mount overlay/)
    await room.restart()
    await expect(room.exec.state({ id: 'c' })).rejects.toMatchObject({ code: 'unavailable' })
  }
  await room.restart()
  await expect(room.exec.state({ id: 'c' })).rejects.toMatchObject({ code: 'not_found' })
  await expectNothingLeft(room)
})

test('a task that was never started and could not be removed has an exit code once it has stopped', async () => {
  await using room = await openRoom({ runtime })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  {
    await using _ = await held(room)
    await room.exec.create({ id: 'c' })
    await expect(room.exec.remove({ id: 'c' })).rejects.toThrow(/directory not empty/)
    expect([[137], [255]]).toContainEqual(await codes(room))
  }
  expect(await room.exec.remove({ id: 'c' })).toMatchObject({ state: 'stopped', exitCode: expect.any(Number) })
  await expectNothingLeft(room)
})

test('who waits for a task that is then not made is told so', async () => {
  await using directory = await tempDirectory()
  const go = join(directory.path, 'go')
  const waiting = await script(directory.path, `while [ ! -e ${go} ]; do sleep 0.01; done; exit 1`)
  await using room = await openRoom({ runtime: waiting })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  const creating = room.exec.create({ id: 'c' })
  creating.catch(() => {})
  while ((await room.exec.list({})).tasks.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const waited = room.exec.wait({ id: 'c' })[Symbol.asyncIterator]()
  expect((await waited.next()).value).toMatchObject({ state: 'created' })
  await writeFile(go, '')
  await expect(waited.next()).rejects.toMatchObject({ code: 'not_found', message: 'wait for task c: it was never made' })
  await expect(creating).rejects.toThrow()
})

const { usable, kind } = await probeCgroups()
const hierarchy = kind === 'legacy' ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup'

test.runIf(usable)(
  'a process that a failed runtime left in the container’s cgroup, in a session of its own, is ended with it',
  async () => {
    await using directory = await tempDirectory()
    const cgroup = join(hierarchy, cgroupName(directory.path, 'c'))
    const leave = `mkdir ${cgroup}; setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >${directory.path}/left; echo $! >${cgroup}/cgroup.procs; exit 1`
    const leaving = await script(directory.path, leave)
    await using room = await openRoom({ root: directory.path, runtime: leaving })
    await room.container.create({ id: 'c', image: reference, args: ['true'] })
    await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(room.exec.state({ id: 'c' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(access(cgroup)).rejects.toMatchObject({ code: 'ENOENT' })
    await expectNothingLeft(room)
  },
)

test.runIf(usable)('a cgroup goes with everything that is in it', async () => {
  const name = `gantry-test-${process.pid}`
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const over = once(child, 'exit')
  await mkdir(join(hierarchy, name))
  await writeFile(join(hierarchy, name, 'cgroup.procs'), String(child.pid))
  await expect(removeCgroup(name, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  await removeCgroup(name, { signal })
  await expect(access(join(hierarchy, name))).rejects.toMatchObject({ code: 'ENOENT' })
  await over
  expect(await livingAt(child.pid as number)).toBeUndefined()
})

/** A runtime that makes containers its own way, and does everything else as the real one. */
async function script(directory: string, create: string): Promise<string> {
  const path = join(directory, 'runtime.sh')
  await writeFile(path, `#!/bin/sh\ncase " $* " in *" create "*) ${create} ;; esac\nexec ${runtime} "$@"\n`)
  await chmod(path, 0o755)
  return path
}
