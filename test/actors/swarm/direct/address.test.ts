import { expect, test } from 'vitest'
import { isLoopback, loopbackName, readDirect } from '../../../../actors/swarm/direct/address.ts'

test('nodes of one machine connect over its loopback unless told otherwise', () => {
  expect(readDirect(undefined)).toEqual({ host: '127.0.0.1', port: 0, here: true })
  expect(readDirect('off')).toBeUndefined()
})

test.each([
  ['10.1.2.3', { host: '10.1.2.3', port: 0, here: false }],
  ['10.1.2.3:7070', { host: '10.1.2.3', port: 7070, here: false }],
  ['node-1.example.org:7070', { host: 'node-1.example.org', port: 7070, here: false }],
  ['[fd00::1]:7070', { host: 'fd00::1', port: 7070, here: false }],
  ['[::1]', { host: '::1', port: 0, here: true }],
  ['127.0.0.5', { host: '127.0.0.5', port: 0, here: true }],
])('%s is an address', (setting, direct) => {
  expect(readDirect(setting)).toEqual(direct)
})

test.each(['0.0.0.0', '[::]', 'a b', '10.0.0.1:99999', '10.0.0.1:', ':80', '[10.0.0.1]', 'fd00::1'])(
  '%s is none others could connect to',
  (setting) => {
    expect(() => readDirect(setting)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  },
)

test('a name that only looks like a loopback is none', () => {
  expect(isLoopback('127.0.0.1.example.org')).toBe(false)
  expect(isLoopback('127.9.9.9')).toBe(true)
})

test('a loopback has one name in all processes that share it', async () => {
  expect(await loopbackName()).toBe(await loopbackName())
})
