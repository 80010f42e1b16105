import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cgroupName } from '../../../actors/exec/cgroups.ts'
import { isFailure } from '../../../messages/grammar/index.ts'
import { mountedUnder } from '../../../runtime/mounts.ts'
import { openRoom, processesOf, type Room, reference, runtimesHere } from '../../support/room.ts'

/** Nothing of any task is left: no mount, no process, no file of it. */
async function expectNothingLeft(room: Room): Promise<void> {
  const { root } = room.home
  expect(await mountedUnder(root)).toEqual([])
  expect(await processesOf(root)).toEqual([])
  expect(await readdir(join(root, 'containers')).catch(() => [])).toEqual([])
  expect(await readdir(join(root, 'exits'))).toEqual([])
  expect(await readdir(join(root, 'runtime')).catch(() => [])).toEqual([])
  expect((await room.exec.list({})).tasks).toEqual([])
  const cgroups = await readdir('/sys/fs/cgroup', { recursive: true }).catch(() => [])
  expect(cgroups.filter((path) => path.includes(cgroupName(root, '').slice(1)))).toEqual([])
}

describe.each(await runtimesHere())('under $name', ({ path: runtime }) => {
  test('after a life, nothing is left of a task', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('echo hi')
    await room.exitCode(id)
    await room.exec.remove({ id })
    await expectNothingLeft(room)
    expect(room.told.filter(({ actor }) => actor === 'exec').map(({ fact }) => fact)).toEqual(['created', 'started', 'exited', 'removed'])
  })

  test('a task that was never started can be removed', async () => {
    await using room = await openRoom({ runtime })
    await room.container.create({ id: 'c', image: reference, args: ['true'] })
    await room.exec.create({ id: 'c' })
    expect(await room.exec.remove({ id: 'c' })).toMatchObject({ state: 'stopped' })
    await expectNothingLeft(room)
  })

  test('a running task is not removed', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await expect(room.exec.remove({ id })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `remove task ${id}: it is running`,
    })
  })

  test.each([['nothere'], ['/bin/nothere'], ['./nothere']])(
    'a command that is not in the image (%s) is named, and nothing is left',
    async (program) => {
      await using room = await openRoom({ runtime })
      await room.container.create({ id: 'c', image: reference, args: [program, 'x'] })
      await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({
        code: 'not_found',
        message: `create task c: the image has no program ${program}`,
      })
      await expectNothingLeft(room)
      expect(room.told.filter(({ actor }) => actor === 'exec')).toEqual([])
    },
  )

  test('a command that may not be executed is named, and nothing is left', async () => {
    await using room = await openRoom({ runtime, files: { 'bin/data': 'x' } })
    await room.container.create({ id: 'c', image: reference, args: ['/bin/data'] })
    await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('/bin/data'),
    })
    await expectNothingLeft(room)
  })

  test('a task cannot be made twice, started twice, or written to after its end', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('cat', { stdin: true })
    await expect(room.exec.create({ id })).rejects.toMatchObject({ code: 'already_exists' })
    await expect(room.exec.start({ id })).rejects.toMatchObject({ code: 'failed_precondition' })
    await room.exec.write({ id, bytes: new Uint8Array(), end: true })
    await room.exitCode(id)
    await expect(room.exec.write({ id, bytes: Buffer.from('x') })).rejects.toMatchObject({ code: 'not_found' })
    await expect(room.exec.start({ id })).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  test('two who make the same task at once get one task', async () => {
    await using room = await openRoom({ runtime })
    await room.container.create({ id: 'c', image: reference, args: ['true'] })
    const outcomes = await Promise.allSettled([room.exec.create({ id: 'c' }), room.exec.create({ id: 'c' })])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'already_exists' } })
  })

  test('create gives up when told to, and leaves nothing', async () => {
    await using room = await openRoom({ runtime })
    await room.container.create({ id: 'c', image: reference, args: ['true'] })
    const caller = new AbortController()
    const creating = room.exec.create({ id: 'c' }, { signal: caller.signal })
    creating.catch(() => {})
    await untilTask(room, 'c')
    caller.abort()
    await expect(creating).rejects.toMatchObject({ code: 'cancelled' })
    await untilNoTask(room, 'c')
    await expectNothingLeft(room)
  })
})

test('a runtime that is not there is unimplemented, with the package that brings it', async () => {
  await using room = await openRoom({ runtime: 'no-such-runtime' })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({
    code: 'unimplemented',
    message:
      'run a container: no-such-runtime, which the setting exec.runtime names, is not on this machine; on Debian: apt-get install crun',
  })
  await expectNothingLeft(room)
})

test('a mount that fails is told, and leaves nothing', async () => {
  await using room = await openRoom({ mounts: () => [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/not/there'] }] })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({ message: expect.stringMatching(/^create task c: |^mount overlay/) })
  await expectNothingLeft(room)
})

test('a user the image does not have is refused by name, and leaves nothing', async () => {
  await using room = await openRoom()
  await room.container.create({ id: 'c', image: reference, args: ['true'], user: 'nobody-here' })
  await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject({
    code: 'invalid_argument',
    message: 'run as user "nobody-here": the image has no user "nobody-here"',
  })
  await expectNothingLeft(room)
})

test('a user list that is a link out of the image is read inside it', async () => {
  await using room = await openRoom({ files: { 'etc/passwd': '->/../../inner', inner: 'inside:x:7:8::/in:/bin/sh\n' } })
  const id = await room.start('id -u', { user: 'inside' })
  expect(await room.exitCode(id)).toBe(0)
  expect((await room.output(id)).stdout).toBe('7\n')
})

test('what is not there is not found', async () => {
  await using room = await openRoom()
  const absent = { code: 'not_found' }
  await expect(room.exec.create({ id: 'c' })).rejects.toMatchObject(absent)
  await expect(room.exec.start({ id: 'c' })).rejects.toMatchObject(absent)
  await expect(room.exec.kill({ id: 'c' })).rejects.toMatchObject(absent)
  await expect(room.exec.state({ id: 'c' })).rejects.toMatchObject(absent)
  await expect(room.exec.remove({ id: 'c' })).rejects.toMatchObject(absent)
  await expect(room.exitCode('c')).rejects.toMatchObject(absent)
  await expect(room.output('c')).rejects.toMatchObject(absent)
})

test('whoever waits or attaches gives up when told to, and the task goes on', async () => {
  await using room = await openRoom()
  const id = await room.start(['sleep', '1000'])
  const caller = new AbortController()
  const drain = async (feed: AsyncIterable<unknown>) => {
    for await (const _ of feed);
  }
  const waiting = drain(room.exec.wait({ id }, { signal: caller.signal }))
  const attached = drain(room.exec.attach({ id }, { signal: caller.signal }))
  caller.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  await expect(attached).rejects.toMatchObject({ code: 'cancelled' })
  expect(await room.exec.state({ id })).toMatchObject({ state: 'running' })
})

test('a signal nobody knows is refused', async () => {
  await using room = await openRoom()
  const id = await room.start(['sleep', '1000'])
  await expect(room.exec.kill({ id, signal: 'NONSENSE' })).rejects.toMatchObject({ code: 'invalid_argument' })
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

const hasTask = async (room: Room, id: string) => (await room.exec.list({})).tasks.some((task) => task.id === id)

async function untilTask(room: Room, id: string): Promise<void> {
  while (!(await hasTask(room, id))) await turn()
}

/** Wait until nothing is known of it any more, which is said of one never made once it is cleared away. */
async function untilNoTask(room: Room, id: string): Promise<void> {
  const isKnown = async () =>
    await room.exec.state({ id }).then(
      () => true,
      (error: unknown) => !isFailure(error, 'not_found'),
    )
  while (await isKnown()) await turn()
}
