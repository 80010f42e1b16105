import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Failure } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { openat } from '../../runtime/syscalls/index.ts'

const thrown = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

test('an error of node says what was attempted, on what and why', () => {
  const failure = fromErrno(
    thrown(() => readFileSync('/no/such/file')),
    'read config /no/such/file',
  )
  expect(failure).toMatchObject({ code: 'not_found', message: 'read config /no/such/file: no such file or directory' })
})

test('an error of our own syscalls reads the same', () => {
  const failure = fromErrno(
    thrown(() => openat(-100, '/no/such/file', 0)),
    'open /no/such/file',
  )
  expect(failure).toMatchObject({ code: 'not_found', message: 'open /no/such/file: no such file or directory' })
})

test.each([
  ['ENOSPC', 'resource_exhausted'],
  ['EACCES', 'permission_denied'],
  ['EEXIST', 'already_exists'],
  ['ECONNREFUSED', 'unavailable'],
  ['ENOTEMPTY', 'failed_precondition'],
  ['ETIMEDOUT', 'deadline_exceeded'],
  ['EOPNOTSUPP', 'unimplemented'],
  ['EIO', 'internal'],
])('%s is %s', (code, expected) => {
  expect(fromErrno(Object.assign(new Error(`${code}: why`), { code }), 'write x')).toMatchObject({
    code: expected,
    message: 'write x: why',
  })
})

test('a failure stays itself, a cancellation stays one, a fault is internal', () => {
  const failure = new Failure('data_loss', 'as it was')
  expect(fromErrno(failure, 'x')).toBe(failure)
  expect(fromErrno(AbortSignal.abort().reason, 'read x').code).toBe('cancelled')
  expect(fromErrno(new TypeError('oops'), 'read x')).toMatchObject({ code: 'internal', message: 'read x: oops' })
})

test('the errno name of an error is found, of others there is none', () => {
  expect(errnoOf(Object.assign(new Error(''), { code: 'ENOENT' }))).toBe('ENOENT')
  expect(errnoOf(Object.assign(new Error(''), { code: 'ERR_INVALID_ARG_TYPE' }))).toBeUndefined()
  expect(errnoOf('ENOENT')).toBeUndefined()
})
