import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { run } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

test('a verb nobody knows is one line and exit code 2', async () => {
  expect(await run('dist', ['frobnicate'])).toEqual({
    stdout: '',
    stderr: "dist: unknown command 'frobnicate'; see dist --help\n",
    exitCode: 2,
  })
})

test('an option nobody knows is one line and exit code 2', async () => {
  expect(await run('dist', ['images', '--frob'])).toEqual({
    stdout: '',
    stderr: "dist: unknown option '--frob'; see dist --help\n",
    exitCode: 2,
  })
})

test('a missing argument is one line and exit code 2', async () => {
  expect(await run('dist', ['pull'])).toMatchObject({
    stdout: '',
    stderr: "dist: missing required argument 'reference'; see dist --help\n",
    exitCode: 2,
  })
})

test('every verb explains itself', async () => {
  const { stdout, exitCode } = await run('ctr', ['run', '--help'])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^Usage: ctr run \[options\] <reference> \[command\.\.\.\]/)
})

test('global options stand before the verb or after it', async () => {
  await using root = await tempDirectory()
  const after = await run('dist', ['images', '--root', root.path])
  const before = await run('dist', ['--root', root.path, 'images'])
  expect(after).toEqual(before)
  expect(after).toEqual({
    stdout: '',
    stderr: `dist: reach the node on ${root.path}: none runs there; start one with "gantry up", or run this command with --embedded\n`,
    exitCode: 10,
  })
})

test('options after the image belong to what runs in the container', async () => {
  await using root = await tempDirectory()
  const { stderr } = await run('ctr', ['run', '--root', root.path, 'tiny', 'ls', '--root', '/elsewhere', '--nosuch'])
  expect(stderr).toContain(`reach the node on ${root.path}`)
})

test('a NATS server that is not there is one line that names it', async () => {
  const { stderr, exitCode } = await run('dist', ['images', '--nats', 'nats://me:secret@127.0.0.1:1', '--node', 'n1'])
  expect(stderr).toMatch(/^dist: connect to NATS at nats:\/\/127\.0\.0\.1:1: .*\n$/)
  expect(stderr).not.toContain('secret')
  expect(exitCode).toBe(10)
})

test('a duration that is none is refused before anything is asked', async () => {
  expect(await run('dist', ['images', '--timeout', 'soon'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('a duration is wanted'),
  })
})

test('a NATS server that accepts and says nothing is given up after --connect-timeout', async () => {
  const server = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const args of [
    ['images', '--connect-timeout', '200ms'],
    ['--connect-timeout', '0.2', 'images'],
  ]) {
    const { stdout, stderr, exitCode } = await run('dist', [...args, '--nats', `127.0.0.1:${port}`, '--node', 'n1'])
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 11 })
    expect(stderr).toBe(`dist: connect to NATS at nats://127.0.0.1:${port}: timeout\n`)
  }
  server.close()
})

test('a --connect-timeout that is none is refused', async () => {
  expect(await run('dist', ['images', '--connect-timeout', 'soon'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('a duration is wanted'),
  })
})
