import { expect, test } from 'vitest'
import { findProgram } from '../../../ops/node/nats/find.ts'

test('a program is found on the path before the usual places', async () => {
  expect(await findProgram('sh', { path: '/nowhere:/bin' })).toBe('/bin/sh')
  expect(await findProgram('sh', {})).toBe('/usr/bin/sh')
})

test('one that is nowhere is not found', async () => {
  expect(await findProgram('no-such-program', { path: '/bin' })).toBeUndefined()
})
