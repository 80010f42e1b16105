import { expect, test } from 'vitest'
import { accountOf } from '../../../ops/nats/accounts.ts'
import { setUpNats } from '../../support/nats-set-up.ts'

const tenant = { nodes: ['n1', 'n-2'], operators: ['op'], observers: ['eyes'], edges: ['site:n3,n4'] }

test.each([
  ['single', {}],
  ['cluster', { NATS_CLUSTER_LISTEN: '127.0.0.1:-1', NATS_ROUTE_PASSWORD: 'route', NATS_ROUTES: '["nats://route:route@127.0.0.1:6222"]' }],
  ['hub', {}],
  ['edge', { NATS_HUB: 'nats-leaf://site:site@127.0.0.1:7422' }],
])('nats-server takes %s.conf as it is', async (file, env) => {
  await using nats = await setUpNats(tenant)
  expect(await nats.check(file, { env })).toBe('')
})

test('a server that was not given a password does not start', async () => {
  await using nats = await setUpNats(tenant)
  expect(await nats.check('single', { without: ['GANTRY_N1_PASSWORD'] })).toContain('GANTRY_N1_PASSWORD')
})

test('a node whose name cannot be one is refused, and a user that would be more than a token', () => {
  expect(() => accountOf({ nodes: ['all'] })).toThrow(/reserved/)
  expect(() => accountOf({ nodes: ['n1.>'] })).toThrow(/allowed/)
  expect(() => accountOf({ observers: ['eyes.>'] })).toThrow(/allowed/)
})
