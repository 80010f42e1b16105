import { expect, test } from 'vitest'
import type { Step } from '../../../messages/pull.ts'
import { lines, plainLine, summary } from '../../../ops/screen/lines.ts'

const hex = (digit: string) => digit.repeat(64)
const layer = 'application/vnd.oci.image.layer.v1.tar+gzip'
const step = (status: Step['status'], digit: string, more: Partial<Step> = {}, size = 48 * 2 ** 20): Step => ({
  descriptor: { mediaType: layer, digest: `sha256:${hex(digit)}`, size },
  status,
  offset: 0,
  ...more,
})

const index = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: `sha256:${hex('a')}`, size: 1609 }
const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${hex('b')}`, size: 981 }
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${hex('c')}`, size: 7017 }

const steps: Step[] = [
  { descriptor: index, status: 'resolved', offset: 0 },
  { descriptor: manifest, status: 'done', offset: 981 },
  { descriptor: config, status: 'exists', offset: 7017 },
  step('waiting', '1'),
  step('downloading', '2', { offset: 12 * 2 ** 20 }),
  step('verifying', '3', { offset: 48 * 2 ** 20 }),
  step('unpacking', '4', { offset: 48 * 2 ** 20, unpacked: 24 * 2 ** 20, written: 61.2 * 2 ** 20, entries: 1234 }),
  step('failed', '5', { offset: 5 * 2 ** 20 }),
]

test('every descriptor has a line with its bar, then come elapsed, total and rate', () => {
  const shown = lines({ reference: '127.0.0.1:5000/library/redis:latest', state: 'fetching', steps, elapsedMs: 2500 }, 100)
  expect(`\n${shown.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    127.0.0.1:5000/library/redis:latest: fetching
    index    sha256:aaaaaaaaaaaa  resolved     [                               ]  1.6 KiB
    manifest sha256:bbbbbbbbbbbb  done         [===============================]  981 B
    config   sha256:cccccccccccc  exists       [===============================]  6.9 KiB
    layer    sha256:111111111111  waiting      [                               ]  0 B / 48.0 MiB
    layer    sha256:222222222222  downloading  [======>                        ]  12.0 MiB / 48.0 MiB
    layer    sha256:333333333333  verifying    [===============================]  48.0 MiB / 48.0 MiB
    layer    sha256:444444444444  unpacking    [==============>                ]  61.2 MiB, 1234 entries
    layer    sha256:555555555555  failed       [==>                            ]  5.0 MiB / 48.0 MiB
    elapsed 2.5 s   total 113 MiB   45.2 MiB/s   unpacked 61.2 MiB, 1234 entries
    "
  `)
})

test('a narrow terminal gets no bars, and no line is wider than it', () => {
  const shown = lines({ reference: 'r', state: 'fetching', steps, elapsedMs: 0 }, 40)
  expect(shown.every((line) => line.length <= 40)).toBe(true)
  expect(shown.join('')).not.toContain('[')
})

test.each([20, 60, 80, 120, 300])('no line is wider than %i columns', (width) => {
  expect(
    Math.max(...lines({ reference: 'x'.repeat(400), state: 'fetching', steps, elapsedMs: 1 }, width).map((line) => line.length)),
  ).toBeLessThanOrEqual(width)
})

test('a bar is never more than full, whatever a registry says of sizes', () => {
  const [, line] = lines({ reference: 'r', state: 'fetching', steps: [step('downloading', '1', { offset: 10 }, 5)], elapsedMs: 1 }, 100)
  expect(line).toMatch(/\[=+\]/)
})

test('a reference cannot speak to the terminal', () => {
  const [heading] = lines({ reference: 'evil\x1b[2J\n', state: 'resolving', steps: [], elapsedMs: 0 }, 80)
  expect(heading).toBe('evil [2J : resolving')
})

test('what was here before counts neither for the total nor for the rate', () => {
  expect(summary({ steps: [step('exists', '1', { offset: 9e9 }), step('done', '2', { offset: 2 ** 20 })], elapsedMs: 2000 })).toBe(
    'elapsed 2.0 s   total 1.0 MiB   512 KiB/s',
  )
})

test('a step is one line of words where there is no terminal', () => {
  expect(plainLine(step('done', '1', { offset: 1 }, 1))).toBe(`done\tlayer\tsha256:${hex('1')}\t1`)
})
