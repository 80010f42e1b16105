import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openInput } from '../../../actors/exec/input.ts'
import { openRoom, type Room } from '../../support/room.ts'

const mebibyte = new Uint8Array(1024 * 1024)
const patient = { signal: new AbortController().signal, patienceMs: 1 }

const inputOf = (room: Room, id: string) => openInput({ id, directory: join(room.home.root, 'containers', id) })

test('what a container does not read is taken up to a limit, then refused whole', async () => {
  await using room = await openRoom()
  const id = await room.start(['sleep', '1000'], { stdin: true })
  using input = inputOf(room, id)
  const fill = async () => {
    for (let i = 0; i < 20; i++) await input.write(mebibyte, patient)
  }
  await expect(fill()).rejects.toMatchObject({
    code: 'resource_exhausted',
    message: `write to task ${id}: it does not read its input`,
  })
})

test('a write that waits for room gives up when told to', async () => {
  await using room = await openRoom()
  const id = await room.start(['sleep', '1000'], { stdin: true })
  using input = inputOf(room, id)
  const caller = new AbortController()
  const fill = async () => {
    for (;;) await input.write(mebibyte, { signal: caller.signal, patienceMs: 60_000 })
  }
  setImmediate(() => caller.abort(new Error('enough')))
  await expect(fill()).rejects.toThrow('enough')
})

test('nothing can be written after the end', async () => {
  await using room = await openRoom()
  const id = await room.start('cat; sleep 1000', { stdin: true })
  using input = inputOf(room, id)
  await input.write(Buffer.from('hi'), patient)
  input.end()
  await expect(input.write(Buffer.from('more'), patient)).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('once the container has ended, writing says so', async () => {
  await using room = await openRoom()
  const id = await room.start('read line', { stdin: true })
  using input = inputOf(room, id)
  await input.write(Buffer.from('line\n'), patient)
  await room.exitCode(id)
  const until = async () => {
    for (;;) {
      await input.write(Buffer.from('more\n'), patient)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await expect(until()).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('an input that is not there is told by its place', () => {
  expect(() => openInput({ id: 'c', directory: '/no/such/bundle' })).toThrow(expect.objectContaining({ code: 'not_found' }))
})

test('a socket whose path is longer than any may be is reached all the same', async () => {
  await using room = await openRoom()
  const id = await room.start(['cat'], { id: 'x'.repeat(76), stdin: true })
  await room.exec.write({ id, bytes: Buffer.from('far away'), end: true })
  expect(await room.exitCode(id)).toBe(0)
  expect((await room.output(id)).stdout).toBe('far away')
})
