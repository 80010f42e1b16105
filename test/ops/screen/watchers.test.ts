import { expect, test } from 'vitest'
import type { Step } from '../../../messages/pull.ts'
import { jsonWatcher, plainWatcher } from '../../../ops/screen/watchers.ts'

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
