import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { originOf, redacted, redirectOf } from '../../../actors/fetch/addresses.ts'
import { openTransport } from '../../../actors/fetch/transport.ts'
import { bytes, silent, startHostileRegistry } from '../../support/hostile-registry.ts'
import { tempDirectory } from '../../support/temp.ts'
import { failureOf, never } from './setup.ts'

const asking = (url: string) => ({ method: 'GET', url: new URL(url), headers: {}, attempted: 'ask', ...never }) as const

test('this machine is spoken to in plain HTTP, any other encrypted', () => {
  expect(originOf('localhost:5000')).toBe('http://localhost:5000')
  expect(originOf('[::1]:5000')).toBe('http://[::1]:5000')
  expect(originOf('127.0.0.2')).toBe('http://127.0.0.2')
  expect(originOf('example.org:5000')).toBe('https://example.org:5000')
  expect(originOf('localhost.example.org')).toBe('https://localhost.example.org')
  expect(originOf('docker.io')).toBe('https://registry-1.docker.io')
})

test('a redirect never leads from an encrypted connection to a plain one, and takes no password along', () => {
  const from = new URL('https://example.org/v2/a')
  expect(redirectOf(from, '../b', 'ask').href).toBe('https://example.org/b')
  expect(redirectOf(from, 'https://me:secret@example.com/x', 'ask').href).toBe('https://example.com/x')
  expect(() => redirectOf(from, 'http://example.org/v2/a', 'ask')).toThrow(expect.objectContaining({ code: 'unimplemented' }))
})

test('what is secret in a URL is not shown', () => {
  expect(redacted(new URL('https://me:secret@example.org/blob?signature=secret'))).toBe('https://example.org/blob?…')
})

test('a server nobody vouches for is unavailable, with the reason', async () => {
  await using directory = await tempDirectory()
  const [key, cert] = ['key', 'cert'].map((name) => join(directory.path, name)) as [string, string]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  })
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using transport = openTransport()
  const failure = await failureOf(transport.send(asking(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)))
  expect(failure).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^ask: GET https:.*: no trust in the connection: self-signed certificate/),
  })
  server.close()
})

test('a server that does not speak TLS where it should is unavailable', async () => {
  await using registry = await startHostileRegistry()
  await using transport = openTransport()
  expect(await failureOf(transport.send(asking(`https://${registry.host}/`)))).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^ask: GET https:/),
  })
})

test.each([
  ['SSH-2.0-OpenSSH\r\n', 'unimplemented'],
  ['', 'unavailable'],
])('a server that answers %j is %s', async (said, code) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(said))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using transport = openTransport()
  const failure = await failureOf(transport.send(asking(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)))
  expect(failure.code).toBe(code)
  expect(failure.message).toMatch(/^ask: GET http:.*: /)
  server.close()
})

test('no encoding is asked for', async () => {
  await using registry = await startHostileRegistry()
  registry.on('/x', bytes(Buffer.from('x')))
  await using transport = openTransport()
  const response = await transport.send(asking(`${registry.url}/x`))
  await response.read(() => {})
  expect(registry.seen[0]?.headers['accept-encoding']).toBe('identity')
})

test('a connection is used again, also when an answer was discarded', async () => {
  await using registry = await startHostileRegistry()
  const sockets = new Set()
  registry.on('/x', (request, response) => {
    sockets.add(request.socket)
    bytes(Buffer.alloc(1000))(request, response)
  })
  await using transport = openTransport({ connections: 1 })
  for (let i = 0; i < 3; i++) (await transport.send(asking(`${registry.url}/x`))).discard()
  await (await transport.send(asking(`${registry.url}/x`))).read(() => {})
  expect(sockets.size).toBe(1)
})

test('what is on its way when the transport ends fails', async () => {
  await using registry = await startHostileRegistry()
  const transport = openTransport()
  registry.on('/x', () => void transport[Symbol.asyncDispose]())
  registry.on('/y', silent)
  expect(await failureOf(transport.send(asking(`${registry.url}/x`)))).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('the node is stopping'),
  })
})
