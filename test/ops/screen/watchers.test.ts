import type { WriteStream } from 'node:tty'
import { expect, test } from 'vitest'
import type { Step } from '../../../messages/pull.ts'
import { jsonWatcher, plainWatcher, screenWatcher } from '../../../ops/screen/watchers.ts'

const digest = `sha256:${'1'.repeat(64)}`
const step = (status: Step['status'], offset: number): Step => ({
  descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 10 },
  status,
  offset,
})
const output = () => {
  const written: string[] = []
  return { written, write: (text: string | Uint8Array) => Boolean(written.push(String(text))) }
}

test('a pipe gets a line whenever a status changes, not for every byte', () => {
  const pipe = output()
  const watcher = plainWatcher({ reference: 'r' }, pipe)
  for (const [status, offset] of [
    ['downloading', 1],
    ['downloading', 5],
    ['done', 10],
    ['done', 10],
  ] as const) {
    watcher.tell({ state: 'fetching', steps: [step(status, offset)] })
  }
  watcher[Symbol.dispose]()
  expect(pipe.written.slice(0, -1)).toEqual([`downloading\tlayer\t${digest}\t10\n`, `done\tlayer\t${digest}\t10\n`])
  expect(pipe.written.at(-1)).toMatch(/^elapsed .* total 10 B /)
})

test('a program gets every piece of news as a line of JSON', () => {
  const pipe = output()
  using watcher = jsonWatcher(pipe)
  watcher.tell({ state: 'fetching', steps: [step('downloading', 1)] })
  expect(pipe.written.map((line) => JSON.parse(line))).toEqual([{ state: 'fetching', steps: [step('downloading', 1)] }])
})

test('of a pull that finds everything here a pipe gets one line, when it is over', () => {
  const pipe = output()
  const watcher = plainWatcher({ reference: 'r:latest' }, pipe)
  watcher.tell({ state: 'resolving', steps: [] })
  watcher.tell({ state: 'fetching', steps: [step('waiting', 0)] })
  watcher.tell({ state: 'done', steps: [step('exists', 10)] })
  expect(pipe.written).toEqual([])
  watcher[Symbol.dispose]()
  expect(pipe.written).toEqual([`exists\timage\t${digest}\tr:latest\n`])
})

test('what was found here before something had to be done is told with it', () => {
  const pipe = output()
  const watcher = plainWatcher({ reference: 'r' }, pipe)
  const other = { ...step('downloading', 1), descriptor: { ...step('downloading', 1).descriptor, digest: digest.replaceAll('1', '2') } }
  watcher.tell({ state: 'fetching', steps: [step('exists', 10)] })
  watcher.tell({ state: 'fetching', steps: [other] })
  watcher[Symbol.dispose]()
  expect(pipe.written.map((line) => line.split('\t')[0])).toEqual([
    'exists',
    'downloading',
    expect.stringMatching(/^elapsed .* total 1 B /),
  ])
})

test('of one that failed before anything was done, what was known is told', () => {
  const pipe = output()
  const watcher = plainWatcher({ reference: 'r' }, pipe)
  watcher.tell({ state: 'resolving', steps: [step('resolved', 0)] })
  watcher[Symbol.dispose]()
  expect(pipe.written).toEqual([`resolved\tlayer\t${digest}\t10\n`, expect.stringMatching(/^elapsed /)])
})

test('what was here is not counted as brought, though it is unpacked', () => {
  const pipe = output()
  const watcher = plainWatcher({ reference: 'r' }, pipe)
  watcher.tell({ state: 'fetching', steps: [step('exists', 10)] })
  watcher.tell({ state: 'done', steps: [{ ...step('done', 10), written: 2048, entries: 3 }] })
  watcher[Symbol.dispose]()
  expect(pipe.written.at(-1)).toMatch(/ total 0 B {3}0 B\/s {3}unpacked 2\.0 KiB, 3 entries\n$/)
})

test('a terminal is told of one that finds everything here in one line, which stays', () => {
  const terminal = output()
  const watcher = screenWatcher({ reference: 'r:latest' }, { ...terminal, columns: 80, rows: 24 } as unknown as WriteStream)
  watcher.tell({ state: 'done', steps: [step('exists', 10)] })
  watcher[Symbol.dispose]()
  expect(terminal.written.join('')).toContain('r:latest: all of it is here already')
  expect(terminal.written.join('')).not.toContain('elapsed')
})
