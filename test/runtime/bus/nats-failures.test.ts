import { expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { disconnected, fromNats, isDenied } from '../../../runtime/bus/nats-failures.ts'
import { startNats } from '../../support/nats.ts'

const nothing = { headers: {}, payload: new Uint8Array() }

test('where nobody is there it is said in one line', async () => {
  const nats = await startNats()
  await nats[Symbol.asyncDispose]()
  await expect(connectNats({ url: nats.url })).rejects.toMatchObject({
    code: 'unavailable',
    message: `connect to NATS at ${nats.url}: connection refused`,
  })
})

test('who may not ask or listen somewhere is told so, and keeps the connection', async () => {
  await using nats = await startNats({
    config:
      'authorization { users: [{ user: us, password: p, permissions: { publish: { deny: "t.secret" }, subscribe: { deny: "t.hidden" } } }] }',
  })
  await using bus = await connectNats({ url: nats.url, user: 'us', password: 'p' })
  const asked = await bus.request('t.secret', nothing, { timeoutMs: 60_000 }).catch((error: unknown) => error)
  expect(asked).toMatchObject({ code: 'permission_denied' })
  expect(isDenied(asked)).toBe(true)
  await expect(bus.subscribe('t.hidden', () => {}).ready).rejects.toMatchObject({ code: 'permission_denied' })
  await bus.flush()
})

test.each([
  ['a name nobody knows', { syscall: 'getaddrinfo', code: 'ENOTFOUND' }, 'unavailable'],
  ['a certificate that is over', { code: 'CERT_HAS_EXPIRED' }, 'unauthenticated'],
  ['a certificate nobody signed', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, 'unauthenticated'],
  ['a certificate of another', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'unauthenticated'],
])('%s is a failure that says what was attempted', (_, fields, code) => {
  const error = Object.assign(new Error('Said So'), fields)
  expect(fromNats(error, 'connect')).toMatchObject({ code, message: 'connect: said so', cause: error })
})

test('what is a failure already stays itself, and what nobody knows is a fault of ours', () => {
  const failure = disconnected('flush')
  expect(fromNats(failure, 'ask')).toBe(failure)
  expect(fromNats(new Error('odd'), 'ask')).toMatchObject({ code: 'internal' })
  expect(isDenied(new Failure('permission_denied', 'by somebody else'))).toBe(false)
})
