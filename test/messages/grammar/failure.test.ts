import { expect, test } from 'vitest'
import { type Code, Failure, failures, isFailure } from '../../../messages/grammar/index.ts'

test('every code has its own exit code, none of them success', () => {
  const exits = Object.values(failures).map(({ exit }) => exit)
  expect(new Set(exits).size).toBe(exits.length)
  for (const exit of exits) expect(exit).toBeGreaterThan(1)
})

test.each(Object.keys(failures) as Code[])('%s comes back from the wire as it went', (code) => {
  const failure = new Failure(code, 'open it: no key', { details: { key: 'k1' }, cause: new Error('hidden') })
  const data = JSON.parse(JSON.stringify(failure))
  expect(data).toEqual({ code, message: 'open it: no key', details: { key: 'k1' } })
  expect(Failure.fromData(data)).toMatchObject({ code, message: 'open it: no key', details: { key: 'k1' } })
})

test('a code from a later version becomes internal, its text kept', () => {
  for (const code of ['novel', 'toString', '__proto__']) {
    expect(Failure.fromData({ code, message: 'something new' })).toMatchObject({ code: 'internal', message: 'something new' })
  }
})

test('an abort is cancelled, a timeout deadline_exceeded, anything else internal with its cause', () => {
  const bug = new TypeError('a bug')
  const failure = new Failure('not_found', 'no')
  expect(Failure.from(failure)).toBe(failure)
  expect(Failure.from(AbortSignal.abort().reason).code).toBe('cancelled')
  expect(Failure.from(new DOMException('late', 'TimeoutError')).code).toBe('deadline_exceeded')
  expect(Failure.from(bug)).toMatchObject({ code: 'internal', message: 'a bug', cause: bug })
  expect(Failure.from(new SuppressedError(bug, failure))).toBe(failure)
  expect(Failure.from('text')).toMatchObject({ code: 'internal', message: 'text' })
})

test('a failure is asked for its codes', () => {
  const failure = new Failure('not_found', 'no')
  expect(isFailure(failure)).toBe(true)
  expect(isFailure(failure, 'not_found', 'internal')).toBe(true)
  expect(isFailure(failure, 'internal')).toBe(false)
  expect(isFailure({ code: 'not_found' }, 'not_found')).toBe(false)
})
