/** Schemas as text for people. */
import type { z } from 'zod'
import type { Call, Event, Feed } from '../../messages/grammar/index.ts'
import { schemaOf } from '../../runtime/bus/discovery.ts'

/** A field, or a word, and what is said of it. */
export interface Field {
  readonly name: string
  readonly type: string
  readonly note: string
}

/** The part of JSON Schema our messages use. */
interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly format?: string
  readonly contentEncoding?: string
  readonly description?: string
  readonly default?: unknown
}

/** The fields of a message; of one that can have several forms, a line a form. */
export function fieldsOf(schema: z.ZodType, io: 'input' | 'output'): Field[] {
  const whole = asSchema(schema, io)
  const one = whole.$ref ? (whole.$defs?.[nameOf(whole.$ref)] ?? whole) : whole
  const forms = one.anyOf ?? one.oneOf
  if (forms) return forms.map((form) => ({ name: '', type: text(form), note: form.description ?? '' }))
  return Object.entries(one.properties ?? {}).map(([name, field]) => ({
    name: mark(name, one, io),
    type: text(field),
    note: [field.description, field.default === undefined ? undefined : `default ${JSON.stringify(field.default)}`]
      .filter(Boolean)
      .join('; '),
  }))
}

/** The words that messages share, each once. */
export function wordsOf(messages: readonly (Call | Feed | Event)[]): Field[] {
  const all = messages.flatMap((message) => {
    if (message.kind === 'event') return [asSchema(message.data, 'output')]
    return [asSchema(message.request, 'input'), asSchema(message.kind === 'call' ? message.reply : message.item, 'output')]
  })
  const words = new Map(all.flatMap((schema) => Object.entries(schema.$defs ?? {})))
  return [...words]
    .map(([name, schema]) => ({ name, type: text(schema), note: schema.description ?? '' }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** A type, in the manner of TypeScript. */
function text(schema: Schema): string {
  if (schema.$ref) return nameOf(schema.$ref)
  const forms = schema.anyOf ?? schema.oneOf
  if (forms) return forms.map(text).join(' | ')
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.items) return schema.items.enum || schema.items.anyOf ? `(${text(schema.items)})[]` : `${text(schema.items)}[]`
  if (schema.properties)
    return `{ ${Object.entries(schema.properties)
      .map(([name, field]) => `${mark(name, schema, 'output')}: ${text(field)}`)
      .join(', ')} }`
  if (typeof schema.additionalProperties === 'object') return `{ [name]: ${text(schema.additionalProperties)} }`
  if (schema.contentEncoding) return 'bytes'
  if (schema.format === 'date-time') return 'time'
  return schema.type === 'integer' ? 'whole number' : (schema.type ?? 'anything')
}

/** A field that may be left out has a question mark. */
const mark = (name: string, schema: Schema, io: 'input' | 'output'): string =>
  schema.required?.includes(name) || (io === 'output' && schema.properties?.[name]?.default !== undefined) ? name : `${name}?`

const asSchema = (schema: z.ZodType, io: 'input' | 'output'): Schema => schemaOf(schema, io) as Schema

const nameOf = (reference: string): string => reference.split('/').at(-1) ?? reference
