import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLog, withFields } from '../../runtime/log.ts'
import { tempDirectory } from '../support/temp.ts'

test('a line is JSON with the node, the thread, the time, the ids, and the error with its cause', async () => {
  await using directory = await tempDirectory()
  const to = join(directory.path, 'log')
  const log = withFields(openLog({ node: 'n1', thread: 'content', to }), { trace: 't1', digest: 'd1' })
  log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'it broke')
  const [line = '', ...more] = (await readFile(to, 'utf8')).trimEnd().split('\n')
  expect(more).toEqual([])
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    node: 'n1',
    thread: 'content',
    trace: 't1',
    digest: 'd1',
    err: { message: expect.stringContaining('outer'), stack: expect.stringContaining('inner') },
    msg: 'it broke',
  })
})

test('nothing that lets somebody in is written', async () => {
  await using directory = await tempDirectory()
  const to = join(directory.path, 'log')
  const log = openLog({ node: 'n1', to })
  log.info({ password: 's3cret', request: { authorization: 'Bearer s3cret', token: 's3cret' } }, 'asked')
  expect(await readFile(to, 'utf8')).not.toContain('s3cret')
})

test('what is below the level is not written', async () => {
  await using directory = await tempDirectory()
  const to = join(directory.path, 'log')
  const log = openLog({ node: 'n1', level: 'warn', to })
  log.info({}, 'quiet')
  log.warn({}, 'loud')
  expect(await readFile(to, 'utf8')).toMatch(/^[^\n]*loud[^\n]*\n$/)
})
