import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { accessFlags, natsAccess, natsAccessOf, reachNats } from '../../../ops/command/nats-access.ts'
import { natsAddress, withoutPasswords } from '../../../ops/command/nats-address.ts'
import { readConfig, shown } from '../../../ops/node/config.ts'
import { run } from '../../support/node.ts'

test('several servers of one system are reached as one user', () => {
  expect(natsAddress('me:p%40ss@a:1, nats://b:2,c')).toEqual({
    url: ['nats://a:1', 'nats://b:2', 'nats://c'],
    user: 'me',
    password: 'p@ss',
  })
  expect(natsAddress('tls://a:1')).toEqual({ url: 'tls://a:1', tls: {} })
  expect(() => natsAddress(' , ')).toThrow(/no URL/)
})

test('no password is shown, of however many servers, nor one in what is no URL', () => {
  expect(withoutPasswords('nats://me:secret@a:1,you:secret@b,tls://c:2')).toBe('nats://me:***@a:1,you:***@b,tls://c:2')
  expect(() => natsAddress('me:secret@not a host')).toThrow(expect.objectContaining({ message: expect.not.stringContaining('secret') }))
})

test('files are read where they are said to be, by flag, environment or configuration, and shown by name', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-access-'))
  await using _gone = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
  const [ca, seed] = [join(directory, 'ca.pem'), join(directory, 'seed')]
  await writeFile(ca, 'authority')
  await writeFile(seed, 'SUA-secret')
  expect(await reachNats('a', { natsCa: ca, natsNkey: seed, natsInbox: '_INBOX.me' })).toEqual({
    url: 'nats://a',
    tls: { ca: 'authority' },
    seed: 'SUA-secret',
    inbox: '_INBOX.me',
  })
  const config = await readConfig({ nats: 'me:secret@a,b', natsCa: ca }, { GANTRY_NATS_NKEY: seed, GANTRY_NATS_CA: '/elsewhere' })
  expect(config.natsAccess).toEqual({ natsCa: ca, natsNkey: seed })
  expect(JSON.stringify(shown(config))).not.toContain('secret"')
  expect(shown(config).nats).toBe('me:***@a,b')
  await expect(reachNats('a', { natsCreds: join(directory, 'none') })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('none'),
  })
})

test('a relative path is that of a file here, and flags say what was said', () => {
  expect(natsAccess({ natsCa: 'ca.pem', natsInbox: '_INBOX.me' })).toEqual({
    natsCa: join(process.cwd(), 'ca.pem'),
    natsInbox: '_INBOX.me',
  })
  expect(natsAccessOf({ GANTRY_NATS_CERT: '', GANTRY_NATS_KEY: '/k' })).toEqual({ natsKey: '/k' })
  expect(accessFlags({ natsKey: '/k' })).toMatchObject({ '--nats-key': '/k', '--nats-ca': undefined })
})

test('as many replicas as no cluster keeps are refused', async () => {
  const root = await mkdtemp(join(tmpdir(), 'gantry-access-'))
  await using _gone = { [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
  const up = await run('gantry', ['up', '--root', root, '--nats', '127.0.0.1:1', '--set', 'nats.replicas=2'])
  expect(up).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('nats.replicas=2') })
})
