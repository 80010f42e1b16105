import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeOut } from '../../../ops/command/write-out.ts'
import { tempDirectory } from '../../support/temp.ts'

async function* pieces(why?: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from('one')
  if (why) throw why
  yield Buffer.from('two')
}
const { signal } = new AbortController()

test('a file has all, in place of what it had', async () => {
  await using directory = await tempDirectory()
  const path = join(directory.path, 'file')
  for (let time = 0; time < 2; time++) await writeOut(pieces(), path, { signal })
  expect(readFileSync(path, 'utf8')).toBe('onetwo')
})

test('a file that does not come to its end is not there', async () => {
  await using directory = await tempDirectory()
  const path = join(directory.path, 'file')
  await expect(writeOut(pieces(new Error('no more')), path, { signal })).rejects.toThrow('no more')
  expect(existsSync(path)).toBe(false)
})

test('a file that cannot be made is named', async () => {
  await expect(writeOut(pieces(), '/no/such/place', { signal })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('/no/such/place'),
  })
})
