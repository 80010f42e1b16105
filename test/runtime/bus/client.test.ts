import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { content } from '../../../messages/content.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'

const bus = join(import.meta.dirname, '../../../runtime/bus')

test('a command that asks loads no schema, no log and no server', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) })
    await import('${bus}/client.ts')
    await import('${bus}/nats.ts')
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '-e', script])
  expect(stdout).toContain('msgpackr')
  for (const heavy of ['/zod/', '/pino/', '/xstate/', '/lmdb/', '/jetstream/', 'messages/words', 'bus/serve.ts'])
    expect(stdout).not.toContain(heavy)
})

test('nothing is sent until it is awaited or looped over, and a call only once', async () => {
  await using memory = memoryBus()
  let asked = 0
  await using _count = memory.subscribe('gantry.n1.content.list', ({ respond }) => {
    asked += 1
    respond?.({ headers: {}, payload: Buffer.from('{"blobs":[],"more":false}') })
  })
  const question = client<typeof content>(memory, { node: 'n1', actor: 'content' }).list({})
  await memory.flush()
  expect(asked).toBe(0)
  expect(await Promise.all([question, question])).toEqual([await question, { blobs: [], more: false }])
  expect(asked).toBe(1)
})

test('a call is as good as a promise', async () => {
  await using memory = memoryBus()
  const { info } = client<typeof content>(memory, { node: 'n1', actor: 'content' })
  let settled = false
  const digest = `sha256:${'0'.repeat(64)}`
  expect(await info({ digest }).catch((error: { code: string }) => error.code)).toBe('unavailable')
  await expect(info({ digest }).finally(() => void (settled = true))).rejects.toMatchObject({ code: 'unavailable' })
  expect(settled).toBe(true)
})

test('a client may be given by an async function', async () => {
  await using memory = memoryBus()
  const made = await (async () => client<typeof content>(memory, { node: 'n1', actor: 'content' }))()
  await expect(made.list({})).rejects.toMatchObject({ code: 'unavailable' })
})
