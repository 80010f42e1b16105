/** Requests nobody should send: of the right shape with odd values, of nearly the right shape, of none; whole, cut short, mangled, and in the wrong encoding. */
import fc from 'fast-check'
import { encode } from '../../runtime/bus/codec.ts'

/** A request as it goes out. */
export interface Odd {
  readonly verb: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: unknown
  readonly form: Form
  /** whether an answer is asked for */
  readonly answered: boolean
}

type Form = (typeof forms)[number]
const forms = [
  'json',
  'json',
  'json',
  'json',
  'json',
  'json',
  'msgpack',
  'msgpack',
  'json as msgpack',
  'msgpack as json',
  'cut short',
  'mangled',
  'numbers too large',
  'garbage',
  'garbage as msgpack',
  'deep msgpack',
  'nothing',
] as const

/** What stands for something that is there; put in its place only when the request is sent, since what is there changes. */
export const stand = (what: string, which: number): string => `$${what}:${which}`

export type Schema = Readonly<Record<string, unknown>>

/** Requests for the verbs whose JSON Schemas these are. `known` are the values fields of a name may well have. */
export function oddRequests(verbs: ReadonlyMap<string, Schema>, known: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Odd> {
  const each = [...verbs].map(([verb, schema]) =>
    fc.record({
      verb: fc.constant(verb),
      headers: oddHeaders,
      value: fc.oneof(
        { weight: 8, arbitrary: fitting(schema, schema, known, '') },
        { weight: 3, arbitrary: bent(fitting(schema, schema, known, '')) },
        fc.jsonValue({ maxDepth: 5 }),
        oddValues,
      ),
      form: fc.constantFrom(...forms),
      answered: fc.nat(9).map((n) => n > 0),
    }),
  )
  return fc.oneof(...each)
}

/** The bytes of a request, and the header that says what they are. */
export function packed({ value, form }: Pick<Odd, 'value' | 'form'>): { payload: Uint8Array; headers: Readonly<Record<string, string>> } {
  const msgpack = { 'Content-Type': 'application/msgpack' }
  const text = Buffer.from((JSON.stringify(value) ?? '').replaceAll(standIns, (_, what, count) => written(what, Number(count))))
  const middle = text.length >> 1
  const made = {
    json: () => ({ payload: text, headers: {} }),
    msgpack: () => ({ payload: encode(value, 'msgpack'), headers: msgpack }),
    'json as msgpack': () => ({ payload: text, headers: msgpack }),
    'msgpack as json': () => ({ payload: encode(value, 'msgpack'), headers: {} }),
    'cut short': () => ({ payload: text.subarray(0, Math.max(text.length - 1, 1)), headers: {} }),
    mangled: () => ({
      payload: Buffer.concat([text.subarray(0, middle), Buffer.from([0xc3, 0x28, 0xff]), text.subarray(middle)]),
      headers: {},
    }),
    'numbers too large': () => ({ payload: Buffer.from(text.toString().replaceAll(/:\d+/g, ':1e999')), headers: {} }),
    garbage: () => ({
      payload: Buffer.from([0xff, 0xfe, ...text.subarray(0, 40)]),
      headers: { 'Content-Type': 'text/plain; charset=utf-7' },
    }),
    'garbage as msgpack': () => ({ payload: Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, ...text.subarray(0, 40)]), headers: msgpack }),
    'deep msgpack': () => ({ payload: Buffer.alloc(500_000, 0x91), headers: msgpack }),
    nothing: () => ({ payload: Buffer.alloc(0), headers: {} }),
  }
  return made[form]()
}

/** What is too large to show when something fails is written out last. */
const standIns = /"\$(deep|many|long):(\d+)"/g

function written(what: string, count: number): string {
  if (what === 'deep') return '['.repeat(count) + ']'.repeat(count)
  return JSON.stringify(what === 'long' ? 'x'.repeat(count) : Array.from({ length: count }, (_, at) => at))
}

/** What a JSON Schema allows, and a little more: strings of any kind. */
function fitting(schema: Schema, whole: Schema, known: Readonly<Record<string, readonly string[]>>, name: string): fc.Arbitrary<unknown> {
  const {
    $ref,
    anyOf,
    oneOf,
    const: only,
    enum: choices,
    type,
    properties,
    required = [],
    items,
    additionalProperties,
  } = schema as {
    $ref?: string
    anyOf?: Schema[]
    oneOf?: Schema[]
    const?: unknown
    enum?: unknown[]
    type?: string
    properties?: Record<string, Schema>
    required?: string[]
    items?: Schema
    additionalProperties?: Schema | boolean
  }
  const inside = (one: Schema, field = name) => fitting(one, whole, known, field)
  if ($ref) return inside((whole['$defs'] as Record<string, Schema>)[$ref.split('/').at(-1) ?? ''] ?? {})
  const ways = anyOf ?? oneOf
  if (ways) return fc.oneof(...ways.map((one) => inside(one)))
  if (only !== undefined) return fc.constant(only)
  if (choices) return fc.constantFrom(...choices)
  if (properties) {
    const fields = Object.fromEntries(Object.entries(properties).map(([field, one]) => [field, inside(one, field)]))
    return fc.record(fields, { requiredKeys: required as never[] })
  }
  if (typeof additionalProperties === 'object') return fc.dictionary(oddText, inside(additionalProperties, ''), { maxKeys: 3 })
  if (type === 'array') return fc.array(inside(items ?? {}), { minLength: Number(schema['minItems'] ?? 0), maxLength: 3 })
  if (type === 'integer' || type === 'number') return numbers(schema)
  if (type === 'boolean') return fc.boolean()
  if (type === 'string') return texts(known[name], schema)
  return type === 'object' ? fc.constant({}) : fc.jsonValue()
}

const numbers = ({ minimum, maximum }: Schema): fc.Arbitrary<number> =>
  fc.oneof(
    fc.nat(3),
    fc.integer({ min: 0 }),
    fc.constantFrom(Number(minimum ?? 0), Math.min(Number(maximum ?? Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)),
  )

function texts(values: readonly string[] | undefined, { format, contentEncoding }: Schema): fc.Arbitrary<string> {
  if (contentEncoding)
    return fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      oddText,
    )
  if (format === 'date-time')
    return fc.constantFrom('2026-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z', '0000-01-01T00:00:00Z')
  return values ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...values) }, oddText) : oddText
}

/** Text somebody might have thought would do harm. */
const oddText = fc.oneof(
  fc.string({ maxLength: 20, unit: 'binary' }),
  fc.constantFrom(
    '',
    ' ',
    '.',
    '..',
    '../../../../etc',
    '\0',
    'a\nb\r\nc',
    '__proto__',
    'constructor',
    'toString',
    '%s%n',
    '{{ID}}',
    '*',
    '>',
    'a.b.>',
    '\ud800',
    '\u202e',
    '-rf',
    '$(id)',
    '(a+)+$',
    '"',
    '0',
    'null',
  ),
  fc.constantFrom('$long:1000', '$long:5000', '$long:300000'),
)

/** Values of the wrong kind. */
const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 0.5, 1e308, -(2 ** 63), 2 ** 53, [], {}, [[]], [null], { __proto__: null }),
  fc.constantFrom('$deep:100', '$deep:5000', '$deep:400000', '$many:1000', '$many:60000'),
  fc.constant(JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}') as unknown),
  oddText,
)

/** Something of the right shape, one to three parts of it exchanged, taken away or added. */
function bent(base: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.record({ at: fc.nat(30), how: fc.constantFrom('exchange', 'exchange', 'take away', 'add'), value: oddValues })
  return fc.tuple(base, fc.array(change, { minLength: 1, maxLength: 3 })).map(([value, changes]) => {
    const copy = structuredClone(value)
    for (const { at, how, value: shared } of changes) {
      const odd = structuredClone(shared)
      const places = placesIn(copy)
      const place = places[at % Math.max(places.length, 1)]
      if (how === 'add' || !place) Object.assign((typeof copy === 'object' && copy) || {}, { [`more-${at}`]: odd })
      else if (how === 'exchange') Reflect.set(place.holder, place.name, odd)
      else Reflect.deleteProperty(place.holder, place.name)
    }
    return copy
  })
}

function placesIn(value: unknown, depth = 0): { holder: object; name: string }[] {
  if (typeof value !== 'object' || value === null || depth > 6) return []
  return Object.keys(value)
    .slice(0, 20)
    .flatMap((name) => [{ holder: value, name }, ...placesIn(Reflect.get(value, name), depth + 1)])
}

const oddNumber = fc.constantFrom('0', '1', '-1', '0.5', 'NaN', '1e999', 'x', '', '99999999999')
const oddHeaders = fc.record(
  {
    traceparent: fc.constantFrom('', 'x', '00-0-0-0', `00-${'f'.repeat(32)}-${'f'.repeat(16)}-ff`, 'y'.repeat(5_000)),
    'Gantry-Timeout': oddNumber,
    'Gantry-Window': oddNumber,
    'Gantry-Heartbeat': oddNumber,
    'Gantry-Call': fc.constantFrom('', 'same', '__proto__', 'z'.repeat(3_000)),
    'Nats-Service-Error-Code': fc.constant('400'),
  },
  { requiredKeys: [] },
)
