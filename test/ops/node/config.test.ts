import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pairs, readConfig, shown } from '../../../ops/node/config.ts'

/** A configuration file with these contents. */
async function fileWith(text: string): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-config-'))
  const path = join(directory, 'config.json')
  await writeFile(path, text)
  return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

test('flags win over the environment, the environment over the file, the file over what is assumed', async () => {
  await using file = await fileWith(JSON.stringify({ node: 'file', log: 'warn', natsPort: 1, subjects: 'tenant' }))
  const config = await readConfig(
    { config: file.path, node: 'flag' },
    { GANTRY_NODE: 'env', GANTRY_LOG: 'debug', GANTRY_NATS_PORT: '4222' },
  )
  expect(config).toMatchObject({ node: 'flag', log: 'debug', natsPort: 4222, subjects: 'tenant', root: '/var/lib/gantry', nats: undefined })
})

test('settings of actors are put together, not replaced', async () => {
  await using file = await fileWith(JSON.stringify({ settings: { a: 'file', b: 'file', c: 'file' } }))
  const config = await readConfig({ config: file.path, settings: { c: 'flag' } }, { GANTRY_SETTINGS: 'b=env,c=env' })
  expect(config.settings).toEqual({ a: 'file', b: 'env', c: 'flag' })
})

test('an empty variable is as good as none', async () => {
  expect(await readConfig({}, { GANTRY_NATS: '', GANTRY_NATS_PORT: '' })).toMatchObject({ nats: undefined, natsPort: 0 })
})

test('a relative root is made absolute', async () => {
  expect((await readConfig({ root: 'here' }, {})).root).toBe(join(process.cwd(), 'here'))
})

test.each([
  ['a port that is none', { natsPort: 70_000 }, {}, /the command line: natsPort/],
  ['a port that is no number', {}, { GANTRY_NATS_PORT: 'many' }, /the environment: natsPort/],
  ['a log level nobody knows', {}, { GANTRY_LOG: 'loud' }, /the environment: log/],
  ['a reserved name', { node: 'any' }, {}, /name a node any: the word is reserved/],
  ['a name with dots', { node: 'a.b' }, {}, /name a node "a.b"/],
  ['subjects with wildcards', { subjects: 'a.>' }, {}, /the command line: subjects/],
])('%s is refused, and where it came from is said', async (_, flags, env, message) => {
  await expect(readConfig(flags, env)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) })
})

test.each([
  ['not JSON', '{', 'invalid_argument'],
  ['a setting nobody knows', '{"nodes":"n1"}', 'invalid_argument'],
])('a file with %s is refused, and named', async (_, text, code) => {
  await using file = await fileWith(text)
  await expect(readConfig({ config: file.path }, {})).rejects.toMatchObject({ code, message: expect.stringContaining(file.path) })
})

test('a file that was named must be there', async () => {
  await expect(readConfig({ config: '/nowhere/config.json' }, {})).rejects.toMatchObject({ code: 'not_found' })
})

test('a password is not shown', async () => {
  const config = await readConfig({ nats: 'nats://me:secret@127.0.0.1:4222' }, {})
  expect(JSON.stringify(shown(config))).not.toContain('secret')
})

test('a setting is NAME=VALUE, and the value may have = in it', () => {
  expect(pairs(['a=b=c', 'd='])).toEqual({ a: 'b=c', d: '' })
  expect(() => pairs(['novalue'])).toThrow(/NAME=VALUE/)
})
