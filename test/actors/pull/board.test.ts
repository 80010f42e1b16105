import { describe, expect, test } from 'vitest'
import { board } from '../../../actors/pull/board.ts'
import type { Descriptor } from '../../../messages/words/index.ts'

const layer: Descriptor = { mediaType: 'layer', digest: `sha256:${'1'.repeat(64)}`, size: 10 }
const signal = new AbortController().signal

describe('a board', () => {
  test('shows a late watcher everything first, then only what changed, and ends with the end', async () => {
    const one = board()
    one.mark(layer, { status: 'waiting' })
    const watch = one.watch({ signal, pauseMs: 0 })[Symbol.asyncIterator]()
    expect((await watch.next()).value.steps).toHaveLength(1)
    one.enter('fetching')
    expect((await watch.next()).value).toEqual({ state: 'fetching', steps: [] })
    one.mark(layer, { status: 'downloading', offset: 5 })
    one.mark(layer, { offset: 10 })
    expect((await watch.next()).value.steps).toEqual([{ descriptor: layer, status: 'downloading', offset: 10 }])
    one.enter('done')
    expect((await watch.next()).value.state).toBe('done')
    expect((await watch.next()).done).toBe(true)
  })

  test('tells the end at once, however long the pause', async () => {
    const one = board()
    const watch = one.watch({ signal, pauseMs: 2 ** 30 })[Symbol.asyncIterator]()
    await watch.next()
    const next = watch.next()
    one.mark(layer, {})
    one.enter('failed')
    expect((await next).value).toMatchObject({ state: 'failed', steps: [{ status: 'resolved' }] })
  })

  test('is no longer watched when told to give up', async () => {
    const control = new AbortController()
    const watch = board().watch({ signal: control.signal, pauseMs: 0 })[Symbol.asyncIterator]()
    await watch.next()
    const next = watch.next()
    control.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})
