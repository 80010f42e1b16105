import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Call, type Event, type Feed, failures, type Protocol, subject, undeclared } from '../../messages/grammar/index.ts'
import { protocols } from '../../messages/index.ts'
import { schemaOf } from '../../runtime/bus/discovery.ts'

const words = Object.entries<Protocol>(protocols).flatMap(([actor, protocol]) =>
  Object.entries(protocol).map(([verb, word]): [string, Call | Feed | Event] => [`${actor}.${verb}`, word]),
)
const asked = words.filter((entry): entry is [string, Call | Feed] => entry[1].kind !== 'event')
const told = words.filter((entry): entry is [string, Event] => entry[1].kind === 'event')

test('every word is a token a subject can have, and no two share an address', () => {
  const subjects = words.map(([name]) => subject('gantry', 'n1', ...(name.split('.') as [string, string])))
  expect(new Set(subjects).size).toBe(subjects.length)
  for (const at of subjects) expect(at).toMatch(/^gantry\.n1\.[a-z]+\.[a-z]+$/)
})

test('no actor is called like a token of the grammar or the bus itself', () => {
  for (const taken of ['any', 'all', 'event', 'blob', 'bus']) expect(Object.keys(protocols)).not.toContain(taken)
})

describe.each(asked)('%s', (_, word) => {
  test('takes its own example, written in JSON', () => {
    expect(word.request.safeParse(JSON.parse(JSON.stringify(word.example))).error).toBeUndefined()
  })

  test('declares failures that are known, each once', () => {
    expect(Object.keys(failures)).toEqual(expect.arrayContaining([...word.failures]))
    expect(new Set(word.failures).size).toBe(word.failures.length)
  })

  test('takes an object and nothing else', () => {
    for (const wrong of [null, 'text', 7, []]) expect(word.request.safeParse(wrong).success).toBe(false)
  })

  test('has a sentence that says what it does, and a JSON Schema either way', () => {
    expect(word.doc).toMatch(/^[A-Z].*\.$/s)
    expect(schemaOf(word.request, 'input')).toMatchObject({ type: 'object' })
    schemaOf(word.kind === 'call' ? word.reply : word.item, 'output')
  })
})

describe.each(told)('%s', (_, word) => {
  test('is about one of its fields', () => {
    expect(word.data).toBeInstanceOf(z.ZodObject)
    expect(Object.keys(word.data.shape)).toContain(word.entity)
  })
})

test('what any verb may answer is known', () => {
  expect(Object.keys(failures)).toEqual(expect.arrayContaining([...undeclared]))
})
