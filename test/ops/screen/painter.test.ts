import { expect, test, vi } from 'vitest'
import { painter } from '../../../ops/screen/painter.ts'

const terminal = (rows = 24) => {
  const written: string[] = []
  return { written, columns: 80, rows, write: (text: string | Uint8Array) => Boolean(written.push(String(text))) }
}

test('a painting goes back over the one before it', () => {
  vi.useFakeTimers()
  const screen = terminal()
  const paint = painter(screen)
  paint.paint(() => ['one', 'two'])
  vi.runAllTimers()
  paint.paint(() => ['three'])
  vi.runAllTimers()
  vi.useRealTimers()
  expect(screen.written).toEqual(['\r\x1b[2Kone\n\x1b[2Ktwo\n\x1b[J', '\x1b[2A\r\x1b[2Kthree\n\x1b[J'])
})

test('a flood of news is painted once, and the last of it when it ends', () => {
  const screen = terminal()
  const paint = painter(screen)
  for (let n = 0; n <= 100; n++) paint.paint(() => [`${n}`])
  paint[Symbol.dispose]()
  expect(screen.written).toEqual(['\r\x1b[2K100\n\x1b[J'])
})

test('what is taller than the terminal keeps its first lines and its last', () => {
  const screen = terminal(6)
  const paint = painter(screen)
  paint.paint(() => Array.from({ length: 60 }, (_, n) => `line ${n}`))
  paint[Symbol.dispose]()
  expect(screen.written.join('').replaceAll('\x1b[2K', '').split('\n').slice(0, 5)).toEqual([
    '\rline 0',
    'line 1',
    'line 2',
    '… 56 more',
    'line 59',
  ])
})
