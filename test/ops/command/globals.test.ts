import { expect, test } from 'vitest'
import { defaultNodeName } from '../../../ops/command/defaults.ts'
import { milliseconds } from '../../../ops/command/globals.ts'
import { natsAddress } from '../../../ops/command/nats-address.ts'

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['2m', 120_000],
  ['1.5h', 5_400_000],
  ['1d', 86_400_000],
  ['3', 3000],
])('%s is %i ms', (text, ms) => {
  expect(milliseconds(text)).toBe(ms)
})

test.each(['', 'soon', '-1s', '10 s', '5y'])('%j is no duration', (text) => {
  expect(() => milliseconds(text)).toThrow(/a duration is wanted/)
})

test.each([
  ['host-1.example.org', 'host-1'],
  ['My_Host', 'my-host'],
  ['any', 'node'],
  ['', 'node'],
  ['x'.repeat(40), 'x'.repeat(32)],
])('a node on the machine %j is called %s', (host, name) => {
  expect(defaultNodeName(host)).toBe(name)
})

test('user and password leave the address of a NATS server', () => {
  expect(natsAddress('nats://me:p%40ss@127.0.0.1:4222')).toEqual({ url: 'nats://127.0.0.1:4222', user: 'me', password: 'p@ss' })
  expect(natsAddress('127.0.0.1')).toEqual({ url: 'nats://127.0.0.1' })
  expect(() => natsAddress('not a host')).toThrow(/not a URL/)
})
