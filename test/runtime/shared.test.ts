import { expect, test } from 'vitest'
import { shared } from '../../runtime/shared.ts'

/** Work that is ended from outside, and notes what becomes of it. */
function piece() {
  const end = Promise.withResolvers<string>()
  const state = { begun: 0, signal: undefined as AbortSignal | undefined, report: (_: number) => {} }
  const work = (signal: AbortSignal, report: (progress: number) => void) => {
    Object.assign(state, { begun: state.begun + 1, signal, report })
    return end.promise
  }
  return { work, state, ...end }
}

test('who asks for what is being done joins it', async () => {
  const { work, state, resolve } = piece()
  const all = shared<string, string, number>()
  const both = [all.run('k', work), all.run('k', work)]
  resolve('done')
  expect(await Promise.all(both)).toEqual(['done', 'done'])
  expect(state.begun).toBe(1)
})

test('another key is another work, and a key is free again afterwards', async () => {
  const { work, state, resolve } = piece()
  const all = shared<string, string, number>()
  resolve('done')
  await Promise.all([all.run('k', work), all.run('l', work)])
  await all.run('k', work)
  expect(state.begun).toBe(3)
})

test('a failure reaches all, and the next to ask begins anew', async () => {
  const { work, state, reject } = piece()
  const all = shared<string, string, number>()
  const both = [all.run('k', work), all.run('k', work)]
  reject(new Error('broken'))
  for (const { status } of await Promise.allSettled(both)) expect(status).toBe('rejected')
  expect(await all.run('k', async () => 'again')).toBe('again')
  expect(state.begun).toBe(1)
})

test('work that throws before it begins to wait fails like any other', async () => {
  const all = shared<string, string>()
  const broken = () => {
    throw new Error('at once')
  }
  await expect(all.run('k', broken)).rejects.toThrow('at once')
  expect(await all.run('k', async () => 'again')).toBe('again')
})

test('progress is told to all, and to a late one the latest at once', async () => {
  const { work, state, resolve } = piece()
  const all = shared<string, string, number>()
  const heard: string[] = []
  const first = all.run('k', work, { onProgress: (n) => void heard.push(`first ${n}`) })
  state.report(1)
  state.report(2)
  const late = all.run('k', work, { onProgress: (n) => void heard.push(`late ${n}`) })
  state.report(3)
  resolve('done')
  await Promise.all([first, late])
  expect(heard).toEqual(['first 1', 'first 2', 'late 2', 'first 3', 'late 3'])
})

test('one who gives up leaves the work to the others', async () => {
  const { work, state, resolve } = piece()
  const all = shared<string, string, number>()
  const giveUp = new AbortController()
  const left = all.run('k', work, { signal: giveUp.signal })
  const stays = all.run('k', work, { signal: new AbortController().signal })
  giveUp.abort(new Error('enough'))
  await expect(left).rejects.toThrow('enough')
  expect(state.signal?.aborted).toBe(false)
  resolve('done')
  expect(await stays).toBe('done')
})

test('gives up when told to: the last to leave aborts the work and waits for its end', async () => {
  const { work, state, reject } = piece()
  const all = shared<string, string, number>()
  const giveUp = [new AbortController(), new AbortController()] as const
  const order: string[] = []
  const both = giveUp.map(({ signal }, n) => all.run('k', work, { signal }).catch((error: Error) => order.push(`${n} ${error.message}`)))
  giveUp[0].abort(new Error('enough'))
  await both[0]
  giveUp[1].abort(new Error('too'))
  expect(state.signal?.aborted).toBe(false)
  await expect.poll(() => state.signal?.aborted).toBe(true)
  order.push('ended')
  reject(new Error('aborted'))
  await both[1]
  expect(order).toEqual(['0 enough', 'ended', '1 too'])
})

test('there are never two works for one key: who asks while one is being given up begins when it has ended', async () => {
  const { work, state, reject } = piece()
  const all = shared<string, string, number>()
  const giveUp = new AbortController()
  const left = all.run('k', work, { signal: giveUp.signal })
  giveUp.abort(new Error('enough'))
  left.catch(() => {})
  await expect.poll(() => state.signal?.aborted).toBe(true)
  let begun = false
  const next = all.run('k', async () => {
    begun = true
    return 'anew'
  })
  const impatient = all.run('k', work, { signal: AbortSignal.timeout(1) })
  await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' })
  expect(begun).toBe(false)
  reject(new Error('aborted'))
  expect(await next).toBe('anew')
  await expect(left).rejects.toThrow('enough')
})

test('who has given up already begins nothing', async () => {
  const { work, state } = piece()
  await expect(shared<string, string, number>().run('k', work, { signal: AbortSignal.abort() })).rejects.toThrow()
  expect(state.begun).toBe(0)
})
