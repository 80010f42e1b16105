import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { openConnection, wasSaid } from '../../../../actors/swarm/direct/connection.ts'
import { type Offers, openOffers } from '../../../../actors/swarm/direct/offers.ts'
import { answerBytes, hello, keyBytes, questionBytes, writeAnswer, writeQuestion } from '../../../../actors/swarm/direct/wire.ts'
import { openMemory } from '../../../../actors/swarm/memory.ts'
import { Failure } from '../../../../messages/grammar/index.ts'

const { signal } = new AbortController()
const digest = `sha256:${'a'.repeat(64)}`
const blob = randomBytes(5 * 1024 * 1024)
const loopback = { host: '127.0.0.1', port: 0 }

const serving = (): Offers =>
  openOffers(
    {
      memory: openMemory(),
      async read(of, { offset, length }, { into }) {
        if (of !== digest) throw new Failure('not_found', 'another blob')
        if (offset + length > blob.length) throw new Failure('out_of_range', 'past its end')
        const bytes = into?.subarray(0, length) ?? new Uint8Array(length)
        blob.copy(bytes, 0, offset, offset + length)
        return bytes
      },
    },
    loopback,
  )

test('what is asked for comes as it is, many at once, in pieces of any size', async () => {
  await using offers = serving()
  using connection = await openConnection(await offers.make(digest), { signal })
  const ranges = Array.from({ length: 60 }, (_, index) => ({ offset: index * 70_001, length: 1 + ((index * 35_317) % (1024 * 1024)) }))
  const wanted = ranges.filter(({ offset, length }) => offset + length <= blob.length)
  await Promise.all(
    wanted.map(async ({ offset, length }) => {
      const bytes = await connection.read(offset, length, { signal })
      expect(Buffer.compare(bytes, blob.subarray(offset, offset + length))).toBe(0)
    }),
  )
})

test('what the other says instead of bytes is a failure, and the connection stays', async () => {
  await using offers = serving()
  using connection = await openConnection(await offers.make(digest), { signal })
  const failure = await connection.read(blob.length, 10, { signal }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'out_of_range' })
  expect(wasSaid(failure)).toBe(true)
  expect((await connection.read(0, 10, { signal })).length).toBe(10)
})

test('a key is good once, and no other is', async () => {
  await using offers = serving()
  const offer = await offers.make(digest)
  using first = await openConnection(offer, { signal })
  await first.read(0, 10, { signal })
  for (const key of [offer.key, new Uint8Array(keyBytes), offer.key.map((byte) => byte ^ 1)]) {
    using other = await openConnection({ ...offer, key }, { signal })
    await expect(other.read(0, 10, { signal })).rejects.toMatchObject({ code: 'unavailable' })
  }
})

test('who says something else is not listened to', async () => {
  await using offers = serving()
  const { port, key } = await offers.make(digest)
  const greetings = [
    Buffer.from(`GET / HTTP/1.1\r\nhost: x\r\n\r\n${'x'.repeat(100)}`),
    Buffer.concat([hello, key, Buffer.alloc(questionBytes)]),
    Buffer.concat([hello, (await offers.make(digest)).key, writeQuestion({ id: 1, offset: 0, length: 2 ** 31 })]),
    Buffer.concat([hello, (await offers.make(digest)).key, Buffer.alloc(questionBytes, 0xff)]),
  ]
  for (const greeting of greetings) expect(await answersTo(port, greeting)).toBe(0)
})

test('bytes are put into memory that is lent, and not once it was given back', async () => {
  await using offers = serving()
  using connection = await openConnection(await offers.make(digest), { signal })
  const into = new Uint8Array(1024 * 1024)
  const bytes = await connection.read(10, 100_000, { signal, into })
  expect(bytes.buffer).toBe(into.buffer)
  expect(Buffer.compare(bytes, blob.subarray(10, 100_010))).toBe(0)
  const leaving = new AbortController()
  const given = new Uint8Array(1024 * 1024)
  const reading = connection.read(0, 1024 * 1024, { signal: leaving.signal, into: given })
  leaving.abort(new Error('enough'))
  await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
  using next = await openConnection(await offers.make(digest), { signal })
  await next.read(0, 1024 * 1024, { signal })
  expect(given.every((byte) => byte === 0)).toBe(true)
})

test('offers without end are refused', async () => {
  await using offers = serving()
  const made = await Promise.allSettled(Array.from({ length: 300 }, () => offers.make(digest)))
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(256)
  expect(made.at(-1)).toMatchObject({ reason: { code: 'resource_exhausted' } })
})

test('who asks and does not take what comes costs one piece of memory', async () => {
  let read = 0
  await using offers = openOffers(
    { memory: openMemory(), read: async (_, { length }) => new Uint8Array(read++ < 1_000 ? length : 0) },
    loopback,
  )
  const { port, key } = await offers.make(digest)
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  const questions = Array.from({ length: 500 }, (_, id) => writeQuestion({ id, offset: 0, length: 1024 * 1024 }))
  socket.write(Buffer.concat([hello, key, ...questions]))
  // Another is served meanwhile.
  using connection = await openConnection(await offers.make(digest), { signal })
  for (let index = 0; index < 50; index++) await connection.read(0, 1024 * 1024, { signal })
  expect(read).toBeLessThan(50 + 30)
  socket.destroy()
})

test.each([
  ['what nobody asked', (id: number) => writeAnswer(id + 7, { length: 10 })],
  ['fewer bytes', (id: number) => Buffer.concat([writeAnswer(id, { length: 9 }), Buffer.alloc(9)])],
  ['more bytes than can be', (id: number) => writeAnswer(id, { length: 2 ** 31 - 1 })],
  ['nothing at all, and closes', () => Buffer.alloc(0)],
  ['half of an answer, and closes', (id: number) => Buffer.concat([writeAnswer(id, { length: 10 }), Buffer.alloc(5)])],
])('who answers %s is done with', async (_, answer) => {
  await using other = await lying((socket, id) => socket.end(answer(id)))
  using connection = await openConnection(other.offer, { signal })
  const failure = await connection.read(0, 10, { signal }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Failure)
  expect(wasSaid(failure)).toBe(false)
  await connection.over
  await expect(connection.read(0, 10, { signal })).rejects.toBeInstanceOf(Failure)
})

test('connecting and reading give up when told to', async () => {
  const enough = AbortSignal.abort(new Error('enough'))
  await using other = await lying(() => {})
  await expect(openConnection(other.offer, { signal: enough })).rejects.toMatchObject({ message: expect.stringContaining('enough') })
  using connection = await openConnection(other.offer, { signal })
  await expect(connection.read(0, 10, { signal: enough })).rejects.toThrow('enough')
  const leaving = new AbortController()
  const reading = connection.read(0, 10, { signal: leaving.signal })
  leaving.abort()
  await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
})

test('nobody there is unavailable', async () => {
  const offers = serving()
  const offer = await offers.make(digest)
  await offers[Symbol.asyncDispose]()
  await expect(openConnection(offer, { signal })).rejects.toMatchObject({ code: 'unavailable' })
})

test('stopping ends what is connected', async () => {
  const offers = serving()
  using connection = await openConnection(await offers.make(digest), { signal })
  await connection.read(0, 10, { signal })
  await offers[Symbol.asyncDispose]()
  await connection.over
  await expect(offers.make(digest)).rejects.toMatchObject({ code: 'unavailable' })
})

/** Bytes that come back before the other closes. */
async function answersTo(port: number, greeting: Uint8Array): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  let bytes = 0
  socket.on('data', (chunk) => (bytes += chunk.length))
  socket.on('error', () => {})
  socket.write(greeting)
  await once(socket, 'close')
  return bytes > answerBytes ? bytes : 0
}

/** Somebody who takes every key, and answers as it likes. */
async function lying(answer: (socket: Socket, id: number) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    let got = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk])
      if (got.length >= hello.length + keyBytes + questionBytes) answer(socket, got.readUInt32BE(hello.length + keyBytes))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    offer: { host: '127.0.0.1', port: (server.address() as AddressInfo).port, key: new Uint8Array(keyBytes) },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
