import { expect, test } from 'vitest'
import { startLeases } from '../../support/keeping.ts'

test('a lease is made for a day unless it is said otherwise, and told', async () => {
  await using node = await startLeases()
  const made = await node.ask.create({ id: 'mine', labels: { for: 'a test' } })
  expect(made).toEqual({ id: 'mine', labels: { for: 'a test' }, createdAt: expect.any(String), expiresAt: expect.any(String) })
  expect(Date.parse(made.expiresAt ?? '') - Date.parse(made.createdAt)).toBe(86_400_000)
  expect(await node.ask.list({})).toEqual({ leases: [made], more: false })
  expect(node.told).toEqual([expect.objectContaining({ actor: 'lease', fact: 'created', entity: 'mine', data: made })])
})
