import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseFilters } from '../../runtime/filter.ts'

const blob = {
  digest: 'sha256:ab',
  size: 100,
  durable: false,
  labels: { 'example.org/owner': 'me', 'a.b': 'x,"y"', plain: 'one two', empty: '' },
  createdAt: '2026-11-21T06:00:00.000Z',
  absent: undefined,
  steps: [1, 2],
}
const passes = (...filters: string[]) => parseFilters(filters)(blob)

test.each([
  ['digest==sha256:ab', true],
  ['digest==sha256:a', false],
  ['digest!=sha256:a', true],
  ['digest~=^sha256:a', true],
  ['digest!~^sha512:', true],
  ['digest!~b$', false],
  ['size==100', true],
  ['size==1e2', true],
  ['size!=100', false],
  ['size>=100', true],
  ['size>100', false],
  ['size<101', true],
  ['size<=99', false],
  ['size~=^1', true],
  ['durable==false', true],
  ['durable==true', false],
  ['createdAt<2026-11-22', true],
  ['createdAt>=2026-11-21T07:00:00+01:00', true],
  ['createdAt>2026-11-21T06:00:00Z', false],
  ['labels."example.org/owner"==me', true],
  ['labels.example.org/owner==me', true],
  ['labels."a.b"=="x,\\"y\\""', true],
  ['labels.a.b~="^x,"', true],
  ['labels.plain==one two', true],
  ['"labels".plain=="one two"', true],
  ['labels.empty==""', true],
])('%s is %s', (filter, expected) => {
  expect(passes(filter)).toBe(expected)
})

test('a field alone must be there, whatever it is', () => {
  for (const there of ['digest', 'durable', 'labels', 'labels.empty', 'steps']) expect(passes(there)).toBe(true)
  for (const missing of ['absent', 'nothing', 'labels.nothing', 'digest.nothing', 'labels.toString', '__proto__', 'constructor'])
    expect(passes(missing)).toBe(false)
})

test('what is not there passes only what asks for something else', () => {
  expect(passes('nothing!=1')).toBe(true)
  expect(passes('nothing!~1')).toBe(true)
  for (const filter of ['nothing==1', 'nothing~=.*', 'nothing<1', 'nothing>=1', 'nothing==undefined']) expect(passes(filter)).toBe(false)
})

test('nothing is less than what is neither a number nor a time', () => {
  for (const filter of ['digest<1', 'digest>1', 'size<2026-11-22', 'createdAt<1', 'durable>=0', 'steps<9'])
    expect(passes(filter)).toBe(false)
})

test('all conditions of a filter must be met, of filters any; without filters everything passes', () => {
  expect(passes('size==100,durable==false')).toBe(true)
  expect(passes(' size == 100 , durable == true ')).toBe(false)
  expect(passes('size==1', 'size==100')).toBe(true)
  expect(passes('size==1', 'size==2')).toBe(false)
  expect(passes()).toBe(true)
})

test.each([
  ['', 0],
  ['size=3', 4],
  ['size==', 6],
  ['size==1,', 8],
  ['size==1 ,, a', 9],
  ['==1', 0],
  ['labels.', 7],
  ['labels..a', 7],
  ['"labels', 0],
  ['labels."a', 7],
  ['labels."\\x"', 7],
  ['digest==a"b"', 9],
  ['digest=="a"b', 11],
  ['size<small', 5],
  ['createdAt<2026-11-21T06:00:00', 10],
])('%s is refused, saying where', (filter, at) => {
  expect(() => parseFilters([filter])).toThrow(
    expect.objectContaining({ code: 'invalid_argument', details: { at }, message: expect.stringContaining(JSON.stringify(filter)) }),
  )
})

test('a pattern that is none is refused when it is read', () => {
  expect(() => parseFilters(['digest~=('])).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})

const text = fc.string({ unit: 'grapheme', maxLength: 40 })

test('any text can be asked for when it is quoted, as a value and as the name of a label', () => {
  fc.assert(
    fc.property(text, text, text, (key, value, other) => {
      const entry = { labels: { [key]: value } }
      const field = `labels.${JSON.stringify(key)}`
      const holds = (condition: string) => parseFilters([condition])(entry)
      expect(holds(field)).toBe(true)
      expect(holds(`${field}==${JSON.stringify(value)}`)).toBe(true)
      expect(holds(`${field}!=${JSON.stringify(value)}`)).toBe(false)
      expect(holds(`${field}==${JSON.stringify(other)}`)).toBe(value === other)
    }),
  )
})

test('any text is read or refused with invalid_argument, and what is read judges any entry', () => {
  const pieces = fc.constantFrom(
    'a',
    'labels',
    '.',
    '"',
    '\\',
    ',',
    ' ',
    '==',
    '!=',
    '~=',
    '!~',
    '<',
    '<=',
    '>',
    '>=',
    '1',
    '2026-01-01',
    '"a b"',
    '(',
    '\n',
  )
  const filter = fc.oneof(
    text,
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
  )
  const entry = fc.dictionary(
    fc.constantFrom('a', 'labels', '1'),
    fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null), fc.dictionary(text, text)),
  )
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 3 }), entry, (filters, one) => {
      try {
        expect(typeof parseFilters(filters)(one)).toBe('boolean')
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_argument' })
      }
    }),
    { numRuns: 500 },
  )
})

test('numbers are compared as numbers', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (size, than) => {
      const holds = (condition: string) => parseFilters([condition])({ size })
      expect(holds(`size<${than}`)).toBe(size < than)
      expect(holds(`size<=${than}`)).toBe(size <= than)
      expect(holds(`size>${than}`)).toBe(size > than)
      expect(holds(`size>=${than}`)).toBe(size >= than)
      expect(holds(`size==${than}`)).toBe(size === than)
      expect(holds(`size!=${than}`)).toBe(size !== than)
    }),
  )
})
