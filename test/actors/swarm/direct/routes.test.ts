import { expect, test } from 'vitest'
import { openOffers } from '../../../../actors/swarm/direct/offers.ts'
import { openRoutes, type Routes } from '../../../../actors/swarm/direct/routes.ts'
import { openMemory } from '../../../../actors/swarm/memory.ts'
import { Failure } from '../../../../messages/grammar/index.ts'

const { signal } = new AbortController()
const digest = `sha256:${'a'.repeat(64)}`
const range = { digest, offset: 0, length: 300_000 }

test('what is worth it comes over one connection, what is small over the bus', async () => {
  await using at = routing()
  await Promise.all([at.routes.read('n1', range, { signal }), at.routes.read('n1', range, { signal })])
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'direct', 'direct', 'direct'])
  await at.routes.read('n1', { ...range, length: 1_000 }, { signal })
  expect(at.told.at(-1)).toBe('bus')
})

test('where there is no connection to be had the bus carries it, and for a while nobody asks again', async () => {
  await using at = routing({ refuse: true })
  await at.routes.read('n1', range, { signal })
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'bus', 'bus'])
  at.wait(60_000)
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'bus', 'bus', 'offer', 'bus'])
})

test('an address that is not welcome is not connected to', async () => {
  await using at = routing({ welcome: false })
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'bus'])
})

test('a connection that breaks is made up for by the bus', async () => {
  await using at = routing()
  await at.routes.read('n1', range, { signal })
  await at.stop()
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'direct', 'bus'])
})

test('what the other says stands, and is not asked for once more over the bus', async () => {
  await using at = routing({ fail: new Failure('not_found', 'not here') })
  await expect(at.routes.read('n1', range, { signal })).rejects.toMatchObject({ code: 'not_found' })
  expect(at.told).not.toContain('bus')
})

test('a connection that takes long is not waited for', async () => {
  await using at = routing({ hang: true })
  await at.routes.read('n1', range, { signal })
  expect(at.told).toEqual(['offer', 'bus'])
})

test('reading gives up when told to, also while it connects', async () => {
  await using at = routing({ hang: true })
  const leaving = new AbortController()
  const reading = at.routes.read('n1', range, { signal: leaving.signal })
  leaving.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
  expect(at.told).toEqual(['offer'])
})

interface RoutingInit {
  readonly refuse?: boolean
  readonly hang?: boolean
  readonly welcome?: boolean
  readonly fail?: Failure
}

function routing({ refuse, hang, welcome = true, fail }: RoutingInit = {}): AsyncDisposable & {
  routes: Routes
  told: string[]
  wait(ms: number): void
  stop(): Promise<void>
} {
  const told: string[] = []
  let now = 1
  const read = async (_: string, { length }: { length: number }) => {
    told.push('direct')
    if (fail) throw fail
    return new Uint8Array(length)
  }
  const offers = openOffers({ read, memory: openMemory() }, { host: '127.0.0.1', port: 0 })
  const routes = openRoutes({
    bus: {
      async read(_, { length }) {
        told.push('bus')
        return new Uint8Array(length)
      },
      holding: async () => undefined,
    },
    async offer() {
      told.push('offer')
      if (refuse) throw new Failure('unimplemented', 'no')
      return await (hang ? new Promise<never>(() => {}) : offers.make(digest))
    },
    welcome: () => welcome,
    now: () => now,
  })
  return {
    routes,
    told,
    wait: (ms) => void (now += ms),
    stop: async () => await offers[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      routes[Symbol.dispose]()
      await offers[Symbol.asyncDispose]()
    },
  }
}
