import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const home = join(import.meta.dirname, '..')
const folders = ['messages', 'machines', 'runtime', 'actors', 'ops', 'test']
const run = promisify(execFile)

interface Cruise {
  readonly modules: readonly { source: string }[]
  readonly summary: { readonly violations: readonly { rule: { name: string }; from: string }[] }
}

/** dependency-cruiser over a tree, with the rules of the project. */
async function cruise(cwd: string): Promise<Cruise> {
  const binary = join(home, 'node_modules/.bin/depcruise')
  const args = [binary, '--config', join(home, '.dependency-cruiser.cjs'), '--output-type', 'json', ...folders]
  const { stdout } = await run(process.execPath, args, { cwd, maxBuffer: 2 ** 28 }).catch((error: { stdout: string }) => error)
  return JSON.parse(stdout) as Cruise
}

/** Files of a tree of sins, each with the rule it must break. */
const sins: readonly { rule: string; file: string; text: string }[] = [
  { rule: 'messages-import-nothing-of-ours', file: 'messages/a.ts', text: `import '../runtime/innocent.ts'` },
  { rule: 'messages-npm-is-zod-only', file: 'messages/b.ts', text: `import 'xstate'` },
  { rule: 'messages-do-no-io', file: 'messages/c.ts', text: `import 'node:fs'` },
  { rule: 'the-grammar-knows-no-words', file: 'messages/grammar/d.ts', text: `import '../innocent.ts'` },
  { rule: 'machines-import-messages', file: 'machines/e.ts', text: `import '../runtime/innocent.ts'` },
  { rule: 'machines-npm-is-xstate-only', file: 'machines/f.ts', text: `import 'zod'` },
  { rule: 'machines-are-pure', file: 'machines/g.ts', text: `import 'node:timers'` },
  { rule: 'runtime-knows-no-containers', file: 'runtime/h.ts', text: `import '../messages/innocent.ts'` },
  {
    rule: 'runtime-knows-no-containers',
    file: 'runtime/h2.ts',
    text: `import type { X } from '../actors/one/innocent.ts'\nexport type Y = X`,
  },
  { rule: 'actors-look-down', file: 'actors/one/i.ts', text: `import '../../ops/innocent.ts'` },
  { rule: 'an-actor-never-imports-another', file: 'actors/one/j.ts', text: `import '../two/innocent.ts'` },
  { rule: 'craft-does-not-know-the-bus', file: 'actors/one/k.ts', text: `import '../../runtime/bus/innocent.ts'` },
  { rule: 'commands-speak-only-by-message', file: 'ops/dist/l.ts', text: `import '../../actors/one/innocent.ts'` },
  { rule: 'commands-speak-only-by-message', file: 'ops/ctr/l.ts', text: `import '../../runtime/innocent.ts'` },
  { rule: 'nobody-imports-ops', file: 'runtime/m.ts', text: `import '../ops/innocent.ts'` },
  { rule: 'nobody-imports-test', file: 'ops/n.ts', text: `import '../test/innocent.ts'` },
  { rule: 'no-cycles', file: 'runtime/bus/p.ts', text: `import '../o.ts'` },
  { rule: 'no-dev-dependency-in-the-product', file: 'runtime/q.ts', text: `import 'fast-check'` },
  { rule: 'one-door-to-nats', file: 'runtime/r.ts', text: `import 'nats'` },
  { rule: 'one-door-to-nats', file: 'actors/one/r.ts', text: `import '@nats-io/jetstream'` },
  { rule: 'one-door-to-lmdb', file: 'runtime/s.ts', text: `import 'lmdb'` },
  { rule: 'one-door-to-re2js', file: 'runtime/zz.ts', text: `import 're2js'` },
  { rule: 'one-door-to-tar-stream', file: 'runtime/t.ts', text: `import 'tar-stream'` },
  { rule: 'one-door-to-ffi', file: 'runtime/u.ts', text: `import 'koffi'` },
  { rule: 'one-door-to-msgpack', file: 'runtime/v.ts', text: `import 'msgpackr'` },
  { rule: 'one-door-to-pino', file: 'runtime/w.ts', text: `import 'pino'` },
  { rule: 'one-door-to-undici', file: 'runtime/x.ts', text: `import 'undici'` },
  { rule: 'one-door-to-grpc', file: 'test/z.ts', text: `import '@grpc/grpc-js'` },
  { rule: 'one-door-to-commander', file: 'runtime/y.ts', text: `import 'commander'` },
]

const innocents = ['messages', 'runtime', 'runtime/bus', 'actors/one', 'actors/two', 'ops', 'test', 'machines']

describe('who may import whom', () => {
  test('every source file is visited and nothing is broken', async () => {
    const { modules, summary } = await cruise(home)
    const { stdout } = await run(
      'git',
      [
        'ls-files',
        '--cached',
        '--others',
        '--exclude-standard',
        ...folders.map((folder) => `${folder}/**/*.ts`),
        ...folders.map((folder) => `${folder}/*.ts`),
      ],
      { cwd: home },
    )
    const there = new Set(stdout.split('\n').filter(Boolean))
    const visited = new Set(modules.map((module) => module.source))
    expect(there.size).toBeGreaterThan(50)
    expect([...there].filter((file) => !visited.has(file))).toEqual([])
    expect(summary.violations.map((violation) => `${violation.rule.name}: ${violation.from}`)).toEqual([])
  })

  test('a sin against each rule is caught', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sins-'))
    try {
      await symlink(join(home, 'node_modules'), join(directory, 'node_modules'))
      for (const file of ['package.json', 'tsconfig.json']) await symlink(join(home, file), join(directory, file))
      const files = [
        ...sins,
        ...innocents.map((folder) => ({ file: `${folder}/innocent.ts`, text: 'export type X = 1' })),
        { file: 'runtime/o.ts', text: `import './bus/p.ts'` },
      ]
      for (const { file, text } of files) {
        await mkdir(dirname(join(directory, file)), { recursive: true })
        await writeFile(join(directory, file), `${text}\n`)
      }
      const { summary } = await cruise(directory)
      const caught = new Set(summary.violations.map((violation) => `${violation.rule.name}: ${violation.from}`))
      expect(sins.map(({ rule, file }) => `${rule}: ${file}`).filter((sin) => !caught.has(sin))).toEqual([])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('every rule has its sin', async () => {
    const { default: config } = (await import(join(home, '.dependency-cruiser.cjs'))) as { default: { forbidden: { name: string }[] } }
    const planted = new Set(sins.map((sin) => sin.rule))
    expect(config.forbidden.map((rule) => rule.name).filter((name) => !planted.has(name))).toEqual([])
  })
})
