import { expect, test } from 'vitest'
import { ago, type Column, listing, short, size } from '../../../ops/command/output.ts'

interface Row {
  readonly name: string
  readonly bytes: number
}
const columns: Column<Row>[] = [
  { head: 'NAME', value: ({ name }) => name },
  { head: 'SIZE', value: ({ bytes }) => bytes, shown: ({ bytes }) => size(bytes) },
]
const rows = [
  { name: 'short', bytes: 1024 },
  { name: 'a longer one', bytes: 0 },
]

test('a terminal gets a table for people', () => {
  expect(listing(rows, columns, { json: false, terminal: true })).toEqual([
    'NAME          SIZE',
    'short         1.0 KiB',
    'a longer one  0 B',
  ])
})

test('a pipe gets values between tabs, without heads', () => {
  expect(listing(rows, columns, { json: false, terminal: false })).toEqual(['short\t1024', 'a longer one\t0'])
})

test('a program gets a line of JSON a row', () => {
  expect(listing(rows, columns, { json: true, terminal: true }).map((line) => JSON.parse(line))).toEqual(rows)
})

test('a value cannot break a line or speak to the terminal', () => {
  const evil = [{ name: 'a\tb\nc\x1b[31m', bytes: 1 }]
  expect(listing(evil, columns, { json: false, terminal: false })).toEqual(['a b c [31m\t1'])
  expect(listing(evil, columns, { json: false, terminal: true })[1]).not.toContain('\x1b')
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [102_400, '100 KiB'],
  [1023 * 1024, '1.0 MiB'],
  [5 * 2 ** 40, '5.0 TiB'],
])('%i bytes are shown as %s', (bytes, text) => {
  expect(size(bytes)).toBe(text)
})

test.each([
  [0, 'now'],
  [59, '59s ago'],
  [3600, '1h ago'],
  [90_000, '1d ago'],
  [-5, 'now'],
])('%i seconds ago is shown as %s', (seconds, text) => {
  const now = Date.parse('2026-11-21T00:00:00Z')
  expect(ago(new Date(now - seconds * 1000).toISOString(), now)).toBe(text)
})

test('a digest is cut to what tells it from others; other names are not', () => {
  expect(short(`sha256:${'ab'.repeat(32)}`)).toBe('sha256:abababababab')
  expect(short('mine')).toBe('mine')
})
