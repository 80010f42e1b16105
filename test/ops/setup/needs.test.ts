import { describe, expect, test } from 'vitest'
import { installCommand, missing, needs, purposes } from '../../../ops/setup/needs.ts'

describe('what a machine needs', () => {
  test('is nothing when everything is there', () => {
    for (const purpose of purposes) expect(missing(purpose, () => true)).toEqual([])
  })

  test('is more for the tests than for the demo', () => {
    const commands = (purpose: (typeof purposes)[number]) => missing(purpose, () => false).flatMap((need) => need.anyOf)
    expect(commands('demo')).toEqual(['nats-server', 'crun', 'runc', 'conmon', 'docker-registry'])
    expect(commands('test')).toEqual(needs.flatMap((need) => need.anyOf))
  })

  test('is installed by one command, each package named once', () => {
    const lacking = missing('demo', (command) => command !== 'conmon' && command !== 'nats-server')
    expect(installCommand([...lacking, ...lacking])).toBe('apt-get install --yes --no-install-recommends nats-server conmon')
  })
})
