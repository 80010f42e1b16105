import { expect, test } from 'vitest'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { inboxOf, reaching, shown } from '../../../runtime/bus/nats-address.ts'
import { startNats } from '../../support/nats.ts'

test('strangers are refused, the password never shown', async () => {
  await using nats = await startNats({ config: 'authorization { user: us, password: s3cret }' })
  await expect(nats.connect()).rejects.toMatchObject({ code: 'unauthenticated' })
  const url = nats.url.replace('//', '//us:wr0ng@')
  const refused = await connectNats({ url }).catch((error: Error) => error)
  expect(refused).toMatchObject({ code: 'unauthenticated' })
  expect((refused as Error).message).not.toContain('wr0ng')
  await using bus = await connectNats({ url: nats.url, user: 'us', password: 's3cret' })
  await bus.flush()
})

test('of several URLs all are shown, none with its user', () => {
  expect(shown({ url: ['nats://us:wr0ng@one:4222', 'tls://two', 'nats://token@three'] })).toBe('nats://one:4222, tls://two, nats://three')
})

test.each([
  [{ user: 'n1' }, '_INBOX.n1'],
  [{ user: 'n1', inbox: '_INBOX.mine' }, '_INBOX.mine'],
  [{ user: 'n.1' }, '_INBOX'],
  [{ user: '>' }, '_INBOX'],
  [{ user: '' }, '_INBOX'],
  [{}, '_INBOX'],
])('who is %o is answered on %s', (who, inbox) => {
  expect(inboxOf(who)).toBe(inbox)
})

test('nothing is said of what is not given, and a user without a password has an empty one', () => {
  const url = 'nats://127.0.0.1'
  expect(reaching({ url })).toEqual({ servers: [url], inboxPrefix: '_INBOX' })
  expect(reaching({ url: [url], user: 'us', tls: { ca: 'PEM', cert: undefined } })).toEqual({
    servers: [url],
    inboxPrefix: '_INBOX.us',
    user: 'us',
    pass: '',
    tls: { ca: 'PEM' },
  })
})
