import { describe, expect, test } from 'vitest'
import { allOrNone, choosing, type Handler, inOrder, walk } from '../../../actors/pull/walk.ts'
import type { Descriptor } from '../../../messages/words/index.ts'

const node = (name: string): Descriptor => ({ mediaType: 'x', digest: name, size: 1 })
const tree: Readonly<Record<string, readonly string[]>> = { root: ['a', 'b', 'c'], a: ['a1', 'a2'], c: ['c1'] }
const children = (name: string) => (tree[name] ?? []).map(node)
const signal = new AbortController().signal

/** A handler that notes where it was and goes on below. */
const noting =
  (seen: string[]): Handler =>
  async (descriptor) => {
    seen.push(descriptor.digest)
    return { children: children(descriptor.digest) }
  }

describe('a walk', () => {
  test('goes depth first, in order', async () => {
    const seen: string[] = []
    await walk(noting(seen), [node('root')], { signal })
    expect(seen).toEqual(['root', 'a', 'a1', 'a2', 'b', 'c', 'c1'])
  })

  test('that skips a descriptor leaves out what is below and goes on with its siblings', async () => {
    const seen: string[] = []
    const skipA: Handler = async (descriptor) => (descriptor.digest === 'a' ? { children: [], next: 'skip' } : { children: [] })
    await walk(inOrder(skipA, noting(seen)), [node('root')], { signal })
    expect(seen).toEqual(['root', 'b', 'c', 'c1'])
  })

  test('that stops at a descriptor keeps the children so far, for this descriptor only', async () => {
    const seen: string[] = []
    const stopAtRoot: Handler = async (descriptor) =>
      descriptor.digest === 'root' ? { children: [node('a')], next: 'stop' } : { children: [] }
    const late: string[] = []
    await walk(inOrder(noting(seen), stopAtRoot, noting(late)), [node('root')], { signal })
    expect(late).not.toContain('root')
    expect(late).toContain('a1')
    expect(seen.filter((name) => name === 'a')).toHaveLength(2)
  })

  test('goes where it is told to choose', async () => {
    const seen: string[] = []
    await walk(
      choosing(noting(seen), (parent, below) => (parent.digest === 'root' ? below.slice(2) : below)),
      [node('root')],
      { signal },
    )
    expect(seen).toEqual(['root', 'c', 'c1'])
  })

  test('gives up when told to', async () => {
    await expect(walk(noting([]), [node('root')], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

describe('work on all of a list', () => {
  test('ends with its first failure and tells the others', async () => {
    const told: unknown[] = []
    const work = (name: string, own: AbortSignal) =>
      name === 'bad'
        ? Promise.reject(new Error('bad'))
        : new Promise<void>((resolve) =>
            own.addEventListener('abort', () => {
              told.push(name)
              resolve()
            }),
          )
    await expect(allOrNone(['good', 'bad', 'fine'], signal, work)).rejects.toThrow('bad')
    expect(told).toEqual(['good', 'fine'])
  })
})
