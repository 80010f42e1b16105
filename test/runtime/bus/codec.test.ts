import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode, encode, encodingHeaders } from '../../../runtime/bus/codec.ts'

const bytes = (...numbers: number[]) => Uint8Array.from(numbers)

/** What JSON can say, which is what messages say, bytes aside. */
const sayable = fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)))

test.each(['json', 'msgpack'] as const)('%s gives back what was put in', (encoding) => {
  fc.assert(
    fc.property(sayable, (value) => {
      expect(decode({ headers: encodingHeaders(encoding), payload: encode(value, encoding) })).toEqual(value)
    }),
  )
})

test('a field that is undefined is left out in both', () => {
  for (const encoding of ['json', 'msgpack'] as const) {
    const back = decode({ headers: encodingHeaders(encoding), payload: encode({ a: undefined, b: 1 }, encoding) })
    expect(Object.keys(back as object)).toEqual(['b'])
  }
})

test('msgpack is plain: maps, no extensions', () => {
  expect([...encode({ a: [1, null], b: bytes(7), c: undefined }, 'msgpack')]).toEqual([
    0x82, 0xa1, 0x61, 0x92, 1, 0xc0, 0xa1, 0x62, 0xc4, 1, 7,
  ])
})

test('bytes become base64 in JSON, wherever they are and whatever they are a view of', () => {
  const part = new Uint8Array(bytes(0, 104, 105, 0).buffer, 1, 2)
  expect(JSON.parse(Buffer.from(encode({ part, list: [Buffer.from('hi')] }, 'json')).toString())).toEqual({ part: 'aGk=', list: ['aGk='] })
})

test('nothing at all is {}', () => {
  expect(decode({ headers: {}, payload: bytes() })).toEqual({})
  expect(decode({ headers: encodingHeaders('msgpack'), payload: bytes() })).toEqual({})
})

test('what cannot be read is invalid_argument', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.constantFrom('json' as const, 'msgpack' as const), (payload, encoding) => {
      try {
        decode({ headers: encodingHeaders(encoding), payload })
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_argument' })
      }
    }),
  )
  expect(() => decode({ headers: {}, payload: Buffer.from('{') })).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})

test('what could not be read is quoted in a way that can be shown', () => {
  for (const payload of ['\u001b[2J', '{"a":\0', '\udbdb', '\ufffd\n\n{']) {
    const said = (() => {
      try {
        return String(decode({ headers: {}, payload: Buffer.from(payload, 'utf16le') }))
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(said).toMatch(/^read a json payload of \d+ bytes: [^\p{Cc}]+$/u)
    expect(said.isWellFormed()).toBe(true)
  }
})

test('what is nested too deep is not read, whatever stands in strings', () => {
  const nested = (depth: number) => Buffer.from(`{"a":${'['.repeat(depth)}"]]]\\"[[["${']'.repeat(depth)}}`)
  expect(() => decode({ headers: {}, payload: nested(255) })).not.toThrow()
  expect(() => decode({ headers: {}, payload: nested(256) })).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  expect(() => decode({ headers: {}, payload: nested(400_000) })).toThrow(/nested deeper than 256/)
  expect(decode({ headers: {}, payload: Buffer.from(JSON.stringify('[{'.repeat(1_000))) })).toBe('[{'.repeat(1_000))
  expect(() => decode({ headers: encodingHeaders('msgpack'), payload: Buffer.alloc(900_000, 0x91) })).toThrow(
    expect.objectContaining({ code: 'invalid_argument' }),
  )
})

test('a key named __proto__ is only a key', () => {
  const hostile = '{"__proto__":{"polluted":true}}'
  for (const payload of [Buffer.from(hostile)]) decode({ headers: {}, payload })
  decode({ headers: encodingHeaders('msgpack'), payload: Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 1]) })
  expect(({} as { polluted?: boolean; x?: number }).polluted ?? ({} as { x?: number }).x).toBeUndefined()
})
