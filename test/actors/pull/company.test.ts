import { expect, test } from 'vitest'
import { keepCompany, nobody } from '../../../actors/pull/company.ts'
import type { Gained } from '../../../messages/swarm.ts'

const digest = `sha256:${'1'.repeat(64)}`

/** A place where what one tells all others hear. */
function aPlace() {
  const all = new Map<string, (gained: Gained) => void>()
  let told = 0
  const enterAs = (node: string) => async (_: string, heard: (gained: Gained) => void) => {
    all.set(node, heard)
    return {
      tell(gained: Omit<Gained, 'node'>) {
        told++
        for (const [other, hear] of all) if (other !== node) queueMicrotask(() => hear({ ...gained, node }))
      },
      [Symbol.asyncDispose]: async () => void all.delete(node),
    }
  }
  return { enterAs, told: () => told, hear: (gained: Gained) => all.forEach((hear) => void hear(gained)) }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('who is alone has no company, and says one word', async () => {
  const place = aPlace()
  await using one = await keepCompany(place.enterAs('n1'), digest)
  await settled()
  expect([one.any, place.told()]).toEqual([false, 1])
})

test('all who come know of one another, whoever was first, and then are silent', async () => {
  const place = aPlace()
  const nodes = await Promise.all(['n1', 'n2', 'n3'].map((node) => keepCompany(place.enterAs(node), digest)))
  await settled()
  await using late = await keepCompany(place.enterAs('n4'), digest)
  await settled()
  expect([...nodes, late].map(({ any }) => any)).toEqual([true, true, true, true])
  const said = place.told()
  await settled()
  expect(place.told()).toBe(said)
  await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
})

test('who is heard while one enters is company, and told', async () => {
  const told: object[] = []
  await using one = await keepCompany(async (_, heard) => {
    heard({ node: 'early' })
    return { tell: (gained) => void told.push(gained), [Symbol.asyncDispose]: async () => {} }
  }, digest)
  expect([one.any, told]).toEqual([true, [{}]])
})

test('who leaves is no company any more', async () => {
  const place = aPlace()
  await using one = await keepCompany(place.enterAs('n1'), digest)
  place.hear({ node: 'n2' })
  expect(one.any).toBe(true)
  place.hear({ node: 'n2', left: true })
  expect(one.any).toBe(false)
})

test('a node that keeps to registries has no company', async () => {
  await using one = await keepCompany(nobody, digest)
  expect(one.any).toBe(false)
})
