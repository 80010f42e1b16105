import { expect, test } from 'vitest'
import { drainingOf } from '../../../runtime/draining.ts'
import { thingTable } from '../../../runtime/keeping/things.ts'
import { openRoom, reference } from '../../support/room.ts'

const entrypoint = {
  Entrypoint: ['/entry'],
  Cmd: ['from', 'image'],
  Env: ['A=image'],
  WorkingDir: 'data/../srv',
  User: 'redis',
  StopSignal: 'SIGINT',
}

test('a container is the image’s config with the request laid over it', async () => {
  await using room = await openRoom({ config: entrypoint })
  const made = await room.container.create({ id: 'c', image: reference })
  expect(made).toMatchObject({
    id: 'c',
    image: reference,
    driver: 'overlay',
    key: 'c',
    readonly: false,
    process: {
      args: ['/entry', 'from', 'image'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=image'],
      cwd: '/srv',
      user: 'redis',
      terminal: false,
      stopSignal: 'SIGINT',
    },
  })
  expect(await room.container.get({ id: 'c' })).toEqual(made)
  expect(room.told).toMatchObject([{ actor: 'container', fact: 'created', entity: 'c', data: { id: 'c', image: reference } }])
})

test('arguments replace the Cmd and leave the Entrypoint; variables replace one another by name', async () => {
  await using room = await openRoom({ config: entrypoint })
  const wish = { args: ['x'], env: ['A=request', 'B=two=2'], cwd: '/w', user: '7:8', terminal: true, readonly: true, labels: { a: 'b' } }
  expect(await room.container.create({ id: 'c', image: reference, ...wish })).toMatchObject({
    readonly: true,
    labels: { a: 'b' },
    process: {
      args: ['/entry', 'x'],
      env: [expect.stringMatching(/^PATH=/), 'A=request', 'B=two=2'],
      cwd: '/w',
      user: '7:8',
      terminal: true,
    },
  })
})

test('the snapshot is prepared on the image’s top layer, and goes with the container', async () => {
  await using room = await openRoom()
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  expect([...room.snapshots.keys()]).toEqual(['c'])
  await room.container.remove({ id: 'c' })
  expect([...room.snapshots.keys()]).toEqual([])
  expect(room.told.map(({ fact }) => fact)).toEqual(['created', 'removed'])
  await expect(room.container.get({ id: 'c' })).rejects.toMatchObject({ code: 'not_found' })
  await expect(room.container.remove({ id: 'c' })).rejects.toMatchObject({ code: 'not_found' })
})

test('a container is not removed while it has a task', async () => {
  await using room = await openRoom()
  const id = await room.start(['sleep', '1000'])
  await expect(room.container.remove({ id })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: `remove container ${id}: it has a task, which is running`,
  })
  await room.exec.kill({ id, signal: 'KILL' })
  await room.exitCode(id)
  await room.exec.remove({ id })
  await room.container.remove({ id })
})

test('a node that drains makes no container, and keeps those it has', async () => {
  await using room = await openRoom()
  const { tables } = room.home
  await room.container.create({ id: 'before', image: reference, args: ['true'] })
  await tables.transaction(() => drainingOf(tables).set(true))
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'] })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: 'create container c: node n1 is draining, it takes nothing new',
  })
  expect((await room.container.list({})).containers.map(({ id }) => id)).toEqual(['before'])
  await tables.transaction(() => drainingOf(tables).set(false))
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
})

test('an image that is not here is told to be pulled first', async () => {
  await using room = await openRoom()
  await expect(room.container.create({ id: 'c', image: 'registry.test/library/other' })).rejects.toMatchObject({
    code: 'not_found',
    message: 'create container c: image registry.test/library/other:latest is not here; pull it first',
  })
  expect([...room.snapshots.keys()]).toEqual([])
})

test('a name is taken only once', async () => {
  await using room = await openRoom()
  const create = () => room.container.create({ id: 'c', image: reference, args: ['true'] })
  await create()
  await expect(create()).rejects.toMatchObject({ code: 'already_exists' })
  expect((await room.container.list({})).containers).toHaveLength(1)
})

test('of two who make the same container at once one does', async () => {
  await using room = await openRoom()
  const create = () => room.container.create({ id: 'c', image: reference, args: ['true'] })
  const outcomes = await Promise.allSettled([create(), create()])
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect((await room.container.list({})).containers).toHaveLength(1)
  expect([...room.snapshots.keys()]).toEqual(['c'])
})

test('a snapshot left by a node that was killed before it wrote the record is made anew', async () => {
  await using room = await openRoom()
  const { snapshots } = room
  ;(snapshots as Map<string, { parent: undefined; labels: Record<string, string> }>).set('c', {
    parent: undefined,
    labels: { 'gantry.container': 'c' },
  })
  await room.container.create({ id: 'c', image: reference, args: ['true'] })
  expect(snapshots.get('c')?.parent).toBeDefined()
})

test('a snapshot of somebody else’s under that key is not touched', async () => {
  await using room = await openRoom()
  const { snapshots } = room
  ;(snapshots as Map<string, { parent: undefined; labels: Record<string, string> }>).set('c', { parent: undefined, labels: {} })
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'] })).rejects.toMatchObject({ code: 'already_exists' })
  expect(snapshots.get('c')).toEqual({ parent: undefined, labels: {} })
})

test('labels are set, kept and taken away', async () => {
  await using room = await openRoom()
  await room.container.create({ id: 'c', image: reference, args: ['true'], labels: { a: '1', b: '2' } })
  expect((await room.container.label({ id: 'c', labels: { a: '', c: '3' } })).labels).toEqual({ b: '2', c: '3' })
  expect((await room.container.get({ id: 'c' })).labels).toEqual({ b: '2', c: '3' })
  await expect(room.container.label({ id: 'd', labels: {} })).rejects.toMatchObject({ code: 'not_found' })
})

test('an image without a command runs only with one given', async () => {
  await using room = await openRoom()
  await expect(room.container.create({ id: 'c', image: reference })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: 'create container c: the image has no command, and none was given',
  })
  expect([...room.snapshots.keys()]).toEqual([])
})

test.each([
  ['is not JSON', 'no'],
  ['has no layers', '{}'],
  ['has a layer that is no digest', '{"rootfs":{"diff_ids":["sha256:../.."]}}'],
  ['has a NUL in an argument', '{"config":{"Cmd":["a\\u0000b"]},"rootfs":{"diff_ids":[]}}'],
  ['has arguments that are no texts', '{"config":{"Cmd":[1]},"rootfs":{"diff_ids":[]}}'],
  ['has an endless user', JSON.stringify({ config: { User: 'x'.repeat(10_000) }, rootfs: { diff_ids: [] } })],
  ['has a stop signal that is none', '{"config":{"StopSignal":"; rm"},"rootfs":{"diff_ids":[]}}'],
  [
    'has more layers than any image',
    JSON.stringify({ rootfs: { diff_ids: Array.from({ length: 2000 }, () => `sha256:${'0'.repeat(64)}`) } }),
  ],
])('a config that %s is refused', async (_, rawConfig) => {
  await using room = await openRoom({ rawConfig })
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'] })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining(`read the config of image ${reference}: `),
  })
})

test('a config larger than any document is refused unread', async () => {
  await using room = await openRoom({ rawConfig: ' '.repeat(4 * 1024 * 1024 + 1) })
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'] })).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('a config larger than one message is read whole', async () => {
  await using room = await openRoom({ config: { Cmd: ['true'], Labels: { long: 'x'.repeat(900 * 1024) } } })
  expect((await room.container.create({ id: 'c', image: reference })).process.args).toEqual(['true'])
})

test('what cannot be an environment or an argument is refused', async () => {
  await using room = await openRoom()
  const refused = { code: 'invalid_argument' }
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'], env: ['no value'] })).rejects.toMatchObject(refused)
  await expect(room.container.create({ id: 'c', image: reference, args: ['a\0b'] })).rejects.toMatchObject(refused)
  await expect(room.container.create({ id: '../x', image: reference, args: ['true'] })).rejects.toMatchObject(refused)
  await expect(room.container.create({ id: 'c', image: 'http://x', args: ['true'] })).rejects.toMatchObject(refused)
})

test('create gives up when told to, and leaves nothing', async () => {
  await using room = await openRoom()
  await expect(room.container.create({ id: 'c', image: reference, args: ['true'] }, { signal: AbortSignal.abort() })).rejects.toThrow()
  expect((await room.container.list({})).containers).toEqual([])
  expect([...room.snapshots.keys()]).toEqual([])
})

test('a container keeps its snapshot and what it was made from, until it is removed', async () => {
  await using room = await openRoom()
  const things = thingTable(room.home.tables)
  const { digest } = await room.container.create({ id: 'c', image: reference, args: ['true'], labels: { 'gantry.gc.ref.image': 'other' } })
  const refs = ['snapshot/overlay/c', `content/${digest}`]
  expect(things.get('container/c')).toMatchObject({ root: true, refs: expect.arrayContaining(refs), labelled: ['image/other'] })
  await room.container.label({ id: 'c', labels: { 'gantry.gc.ref.image': '' } })
  expect(things.get('container/c')).toMatchObject({ root: true, labelled: [] })
  await room.container.remove({ id: 'c' })
  expect(things.get('container/c')).toBeUndefined()
})
