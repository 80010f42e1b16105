/** TLS, with `ops/nats/tls.conf` and `tls-users.conf`: who has no certificate is not let in, and a server that is not of the authority is told nothing. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reachNats } from '../../../ops/command/nats-access.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { type Authority, makeAuthority } from '../../support/authority.ts'
import { type Server, type SetUp, setUpNats } from '../../support/nats-set-up.ts'
import { run, startNode } from '../../support/node.ts'

const scope = new AsyncDisposableStack()
let nats: SetUp
let authority: Authority
let server: Server
/** of a client */
let shown: { natsCert: string; natsKey: string }
let env: Record<string, string>

beforeAll(async () => {
  authority = scope.use(await makeAuthority())
  nats = scope.use(await setUpNats({ nodes: ['n1'], operators: ['op'] }))
  const { cert, key } = await authority.sign('localhost')
  env = { NATS_TLS_CERT: cert, NATS_TLS_KEY: key, NATS_TLS_CA: authority.ca }
  server = await nats.start('single', { env, beside: ['tls'] })
  const mine = await authority.sign('op')
  shown = { natsCert: mine.cert, natsKey: mine.key }
})
afterAll(() => scope.disposeAsync())

test.each(['tls', 'tls-users'])('nats-server takes %s.conf as it is', async (file) => {
  expect(await nats.check('single', { env, beside: [file] })).toBe('')
})

test('who shows a certificate of the authority, and knows a password, is let in', async () => {
  await using bus = await connectNats(await reachNats(`tls://op:op@${server.at}`, { natsCa: authority.ca, ...shown }))
  await bus.flush()
})

test('who shows none is not, whatever they know', async () => {
  const address = await reachNats(`tls://op:op@${server.at}`, { natsCa: authority.ca })
  await expect(connectNats(address, { timeoutMs: 1_000 })).rejects.toMatchObject({
    message: expect.stringContaining('with TLS'),
  })
})

test('nor is who shows one of another authority', async () => {
  await using other = await makeAuthority()
  const { cert, key } = await other.sign('op')
  const address = await reachNats(`tls://op:op@${server.at}`, { natsCa: authority.ca, natsCert: cert, natsKey: key })
  await expect(connectNats(address, { timeoutMs: 1_000 })).rejects.toMatchObject({
    message: expect.stringContaining('with TLS'),
  })
})

test('nor does a certificate do without the password', async () => {
  const address = await reachNats(`tls://op:wrong@${server.at}`, { natsCa: authority.ca, ...shown })
  await expect(connectNats(address)).rejects.toMatchObject({ code: 'unauthenticated' })
})

test('a server of another authority is not believed', async () => {
  await using other = await makeAuthority()
  const address = await reachNats(`op:op@${server.at}`, { natsCa: other.ca, ...shown })
  await expect(connectNats(address, { timeoutMs: 1_000 })).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('certificate'),
  })
})

test('a server without TLS is told nothing by who wants it', async () => {
  await using plain = await setUpNats({ operators: ['op'] })
  const { at } = await plain.start('single')
  for (const address of [await reachNats(`tls://op:op@${at}`, {}), await reachNats(`op:op@${at}`, { natsCa: authority.ca })])
    await expect(connectNats(address)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('tls') })
})

test('a certificate says who its bearer is, where users are known by theirs', async () => {
  await using mapped = await setUpNats({ nodes: ['n1'], observers: ['eyes'], certificates: true })
  const { at } = await mapped.start('single', { env, beside: ['tls-users'] })
  const { cert, key } = await authority.sign('eyes')
  const access = { natsCa: authority.ca, natsCert: cert, natsKey: key, natsInbox: '_INBOX.eyes' }
  await using bus = await connectNats(await reachNats(at, access))
  await expect(bus.request('gantry.n1.node.drain', { headers: {}, payload: new Uint8Array() }, { timeoutMs: 5_000 })).rejects.toMatchObject(
    {
      code: 'permission_denied',
    },
  )
  await bus.subscribe('gantry.event.>', () => {}).ready
  await expect(connectNats(await reachNats(at, { ...access, natsCert: shown.natsCert, natsKey: shown.natsKey }))).rejects.toMatchObject({
    code: 'unauthenticated',
  })
})

test('a node and its commands reach a server with TLS by flags, and by the environment', async () => {
  const operator = {
    GANTRY_NATS: `tls://op:op@${server.at}`,
    GANTRY_NATS_CA: authority.ca,
    GANTRY_NATS_CERT: shown.natsCert,
    GANTRY_NATS_KEY: shown.natsKey,
  }
  expect(await run('gantry', ['streams'], { env: operator })).toMatchObject({ exitCode: 0 })
  const { cert, key } = await authority.sign('n1')
  const files = ['--nats-ca', authority.ca, '--nats-cert', cert, '--nats-key', key]
  await using node = await startNode({ args: ['--nats', `tls://n1:n1@${server.at}`, ...files] })
  expect(node.ready).not.toContain('n1:n1')
  // told where the node is, they reach it as it does
  expect(await node.run('dist', ['images'])).toMatchObject({ exitCode: 0 })
  expect(JSON.parse(await readFile(join(node.root, 'node.json'), 'utf8'))).toMatchObject({
    access: { natsCert: cert, natsInbox: '_INBOX.n1' },
  })
  const found = await run('gantry', ['nodes', '--json'], { env: operator })
  expect(found).toMatchObject({ exitCode: 0 })
  expect(JSON.parse(found.stdout)).toMatchObject({ node: 'n1' })
})
