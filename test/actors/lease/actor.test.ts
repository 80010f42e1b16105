import { expect, test } from 'vitest'
import type { lease } from '../../../messages/lease.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { type BareHome, startLeases, thing } from '../../support/keeping.ts'
import { tempDirectory } from '../../support/temp.ts'

const day = 86_400_000

/** Have things be there. */
async function make({ home }: BareHome, ...names: string[]): Promise<void> {
  const keeping = openKeeping(home.tables, { now: () => new Date().toISOString() })
  await home.tables.transaction(() => {
    for (const name of names) keeping.keep(thing(name))
  })
}

test('a lease is made for a day unless it is said otherwise, and told', async () => {
  await using node = await startLeases()
  const made = await node.ask.create({ id: 'mine', labels: { for: 'a test' } })
  expect(made).toEqual({ id: 'mine', labels: { for: 'a test' }, createdAt: expect.any(String), expiresAt: expect.any(String) })
  expect(Date.parse(made.expiresAt ?? '') - Date.parse(made.createdAt)).toBe(day)
  expect(await node.ask.list({})).toEqual({ leases: [made], more: false })
  expect(node.told).toEqual([expect.objectContaining({ actor: 'lease', fact: 'created', entity: 'mine', data: made })])
})

test('a lease may be made for seconds, until a time, or for ever, and names itself', async () => {
  await using node = await startLeases()
  const hour = await node.ask.create({ seconds: 3600 })
  expect(Date.parse(hour.expiresAt ?? '') - Date.parse(hour.createdAt)).toBe(3_600_000)
  expect(await node.ask.create({ id: 'b', expiresAt: '2100-01-01T00:00:00Z' })).toMatchObject({ expiresAt: '2100-01-01T00:00:00.000Z' })
  expect(await node.ask.create({ id: 'c', seconds: 0 })).not.toHaveProperty('expiresAt')
  expect(await node.ask.create({ id: 'd', seconds: Number.MAX_SAFE_INTEGER })).not.toHaveProperty('expiresAt')
  expect((await node.ask.list({})).leases.map(({ id }) => id)).toEqual([hour.id, 'b', 'c', 'd'].toSorted())
})

test('a second lease of an id is refused', async () => {
  await using node = await startLeases()
  await node.ask.create({ id: 'mine' })
  await expect(node.ask.create({ id: 'mine' })).rejects.toMatchObject({ code: 'already_exists' })
})

test('a lease holds what is added until that is dropped', async () => {
  await using node = await startLeases()
  await make(node, 'content/a', 'snapshot/overlay/b')
  await node.ask.create({ id: 'mine' })
  const [a, b] = [
    { kind: 'content', key: 'a' },
    { kind: 'snapshot', key: 'overlay/b' },
  ] as const
  await node.ask.add({ id: 'mine', things: [a, b] })
  expect(await node.ask.get({ id: 'mine' })).toMatchObject({ id: 'mine', things: [a, b], more: false })
  expect(await node.ask.get({ id: 'mine', after: a })).toMatchObject({ things: [b] })
  await node.ask.drop({ id: 'mine', things: [a, { kind: 'image', key: 'never held' }] })
  expect(await node.ask.get({ id: 'mine' })).toMatchObject({ things: [b] })
})

test('of things one of which is not there none is added', async () => {
  await using node = await startLeases()
  await make(node, 'content/a')
  await node.ask.create({ id: 'mine' })
  const things = (['a', 'b'] as const).map((key) => ({ kind: 'content' as const, key }))
  await expect(node.ask.add({ id: 'mine', things })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('content b'),
  })
  expect(await node.ask.get({ id: 'mine' })).toMatchObject({ things: [] })
})

test('what is held is answered a thousand at a time', async () => {
  await using node = await startLeases()
  const names = Array.from({ length: 1001 }, (_, at) => `content/${String(at).padStart(4, '0')}`)
  await make(node, ...names)
  await node.ask.create({ id: 'mine' })
  const things = names.map((name) => ({ kind: 'content' as const, key: thing(name).key }))
  await node.ask.add({ id: 'mine', things: things.slice(0, 1000) })
  await node.ask.add({ id: 'mine', things: things.slice(1000) })
  const first = await node.ask.get({ id: 'mine' })
  expect(first).toMatchObject({ things: things.slice(0, 1000), more: true })
  expect(await node.ask.get({ id: 'mine', after: things[999] })).toMatchObject({ things: things.slice(1000), more: false })
})

test('a list is narrowed by filters, and goes on from an id', async () => {
  await using node = await startLeases()
  await node.ask.create({ id: 'a', seconds: 0, labels: { for: 'x' } })
  await node.ask.create({ id: 'b', expiresAt: '2100-01-01T00:00:00Z' })
  await node.ask.create({ id: 'c', labels: { for: 'x' } })
  const ids = async (request: Parameters<typeof node.ask.list>[0]) => (await node.ask.list(request)).leases.map(({ id }) => id)
  expect(await ids({ filters: ['labels.for==x'] })).toEqual(['a', 'c'])
  expect(await ids({ filters: ['expiresAt>2099-01-01T00:00:00Z', 'id==c'] })).toEqual(['b', 'c'])
  expect(await ids({ after: 'a' })).toEqual(['b', 'c'])
  await expect(node.ask.list({ filters: ['=='] })).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('a removed lease holds nothing, and one begun again under its id neither', async () => {
  await using node = await startLeases()
  await make(node, 'content/a')
  await node.ask.create({ id: 'mine' })
  await node.ask.add({ id: 'mine', things: [{ kind: 'content', key: 'a' }] })
  await node.ask.remove({ id: 'mine' })
  expect(node.told.at(-1)).toMatchObject({ fact: 'removed', entity: 'mine', data: { id: 'mine', why: 'removed' } })
  await node.ask.create({ id: 'mine' })
  expect(await node.ask.get({ id: 'mine' })).toMatchObject({ things: [] })
})

test('what is asked of a lease that is not there is refused', async () => {
  await using node = await startLeases()
  await make(node, 'content/a')
  const id = 'none'
  const things = [{ kind: 'content' as const, key: 'a' }]
  const { ask } = node
  for (const asked of [ask.get({ id }), ask.renew({ id }), ask.remove({ id }), ask.add({ id, things }), ask.drop({ id, things })])
    await expect(asked).rejects.toMatchObject({ code: 'not_found' })
})

test('a renewed lease ends at the other time, and that is told', async () => {
  await using node = await startLeases()
  await node.ask.create({ id: 'mine', seconds: 60 })
  const renewed = await node.ask.renew({ id: 'mine', expiresAt: '2100-01-01T00:00:00Z' })
  expect(renewed.expiresAt).toBe('2100-01-01T00:00:00.000Z')
  expect(node.told.at(-1)).toMatchObject({ fact: 'renewed', entity: 'mine', data: renewed })
  expect((await node.ask.renew({ id: 'mine', seconds: 0 })).expiresAt).toBeUndefined()
})

test('a lease that expires ends by itself', async () => {
  await using node = await startLeases()
  await node.ask.create({ id: 'mine', seconds: 0 })
  const removed = listen<typeof lease, 'removed'>(node.home.bus, { actor: 'lease', fact: 'removed' })
  await removed.ready
  await node.ask.renew({ id: 'mine', expiresAt: new Date(Date.now() + 50).toISOString() })
  for await (const { data } of removed) {
    expect(data).toEqual({ id: 'mine', why: 'expired' })
    break
  }
  expect(await node.ask.list({})).toEqual({ leases: [], more: false })
})

test('a lease that expired is there for nobody, and its id is free', async () => {
  await using node = await startLeases()
  await node.ask.create({ id: 'mine', expiresAt: '2020-01-01T00:00:00Z' })
  await expect(node.ask.renew({ id: 'mine' })).rejects.toMatchObject({ code: 'not_found' })
  await node.ask.create({ id: 'mine' })
  expect(node.told.map(({ fact }) => fact)).toEqual(['created', 'removed', 'created'])
})

test('a lease that expired while the node was down ends at the next start, and one that did not goes on', async () => {
  await using directory = await tempDirectory()
  const root = directory.path
  const over = new Date(Date.now() + 30_000)
  {
    await using node = await startLeases({ root })
    await make(node, 'content/a')
    await node.ask.create({ id: 'long', seconds: 3600 })
    await node.ask.create({ id: 'short', expiresAt: over.toISOString() })
    await node.ask.add({ id: 'short', things: [{ kind: 'content', key: 'a' }] })
  }
  await using node = await startLeases({ root, now: () => over.toISOString() })
  expect(node.told).toEqual([expect.objectContaining({ fact: 'removed', data: { id: 'short', why: 'expired' } })])
  expect((await node.ask.list({})).leases.map(({ id }) => id)).toEqual(['long'])
})

test('gives up when told to', async () => {
  await using node = await startLeases()
  const signal = AbortSignal.abort()
  await expect(node.ask.create({ id: 'mine' }, { signal })).rejects.toMatchObject({ code: 'cancelled' })
  expect(await node.ask.list({})).toMatchObject({ leases: [] })
})
