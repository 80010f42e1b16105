import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collect } from '../../../actors/gc/collect.ts'
import { openView } from '../../../runtime/keeping/view.ts'
import { openKept, thing } from '../../support/keeping.ts'
import { tempDirectory } from '../../support/temp.ts'

const other = (directory: string, ...what: string[]): ChildProcess =>
  fork(join(import.meta.dirname, 'other.process.ts'), [directory, ...what], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })

test('what another process comes to hold while the collector runs is there afterwards', { timeout: 30_000 }, async () => {
  await using root = await tempDirectory()
  await using kept = await openKept({ root: root.path, at: new Date().toISOString() })
  await kept.write((keeping) => {
    kept.leases.begin('theirs', undefined)
    for (let at = 0; at < 100; at++) keeping.keep(thing(`content/${at}`))
  })
  const child = other(join(root.path, 'meta'), 'hold')
  await once(child, 'message')
  const told = once(child, 'message')
  const ended = await collect({ tables: kept.tables, owners: kept.owners, now: kept.now }, { signal: AbortSignal.timeout(20_000) })
  const [held] = (await told) as [string[]]
  expect(kept.there()).toEqual(held.map((key) => `content/${key}`).toSorted())
  expect(ended.collected + held.length).toBe(100)
})

test('a reader that was killed leaves nothing to be noted for it', { timeout: 30_000 }, async () => {
  await using root = await tempDirectory()
  await using kept = await openKept({ root: root.path })
  await kept.write((keeping) => keeping.keep(thing('content/a')))
  const child = other(join(root.path, 'meta'), 'read')
  expect(await once(child, 'message')).toEqual([1, undefined])
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  const notes = () => Array.from(kept.tables.table('keeping.notes').range(), ({ key }) => key)
  await kept.write((keeping) => keeping.keep(thing('content/b')))
  expect(notes()).toHaveLength(1)
  {
    await using view = await openView(kept.tables, kept)
    expect(view.rows.size).toBe(2)
  }
  expect(notes()).toEqual([])
  expect(Array.from(kept.tables.table('keeping.readers').range())).toEqual([])
})

test.for([1, 7, 40])(
  'a run that was killed when %i things had gone is simply done again, and loses nothing that came to be held',
  async (times) => {
    await using root = await tempDirectory()
    await using kept = await openKept({ root: root.path, at: new Date().toISOString() })
    await kept.write((keeping) => {
      for (let at = 0; at < 60; at++)
        keeping.keep(thing(`content/${at}`), at < 20 ? {} : { labels: { 'gantry.gc.ref.content': String(at - 20) } })
      keeping.keep(thing('image/a'), { root: true, refs: [thing('content/25')] })
    })
    const child = other(join(root.path, 'meta'), 'collect', String(times))
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL')
    const left = kept.there()
    expect(left).toEqual(expect.arrayContaining(['image/a', 'content/25', 'content/5']))
    const held = left.find((name) => name !== 'content/25' && name !== 'content/5' && name !== 'image/a') ?? ''
    await kept.write((keeping) => {
      kept.leases.begin('mine', undefined)
      keeping.hold(thing(held), 'mine')
    })
    await collect({ tables: kept.tables, owners: kept.owners, now: kept.now }, { signal: AbortSignal.timeout(20_000) })
    const reached = [held, `content/${Number(held.slice(8)) - 20}`, `content/${Number(held.slice(8)) - 40}`].filter((name) =>
      left.includes(name),
    )
    expect(kept.there()).toEqual([...new Set(['content/25', 'content/5', 'image/a', ...reached])].toSorted())
  },
)
