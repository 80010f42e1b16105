import { expect, test } from 'vitest'
import type { Driver } from '../../../actors/snapshot/driver.ts'
import { chooseDrivers } from '../../../actors/snapshot/drivers.ts'
import { type Code, Failure } from '../../../messages/grammar/index.ts'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'

/** A driver of which only the probe is ever asked; it fails with what is left of `refusals`. */
function driver(name: string, ...refusals: Code[]): Driver & { probes: number } {
  const played = {
    name,
    probes: 0,
    async probe() {
      played.probes += 1
      const code = refusals.shift()
      if (code) throw new Failure(code, `use ${name}: it cannot be`)
    },
  }
  return played as unknown as Driver & { probes: number }
}

test('the first that can be used is the default, and each is tried once', async () => {
  const [first, second, third] = [driver('first', 'unimplemented'), driver('second'), driver('third')] as const
  const drivers = chooseDrivers([first, second, third], { configured: undefined })
  expect((await drivers.usable(undefined)).name).toBe('second')
  expect((await drivers.describe()).map(({ driver, why }) => [driver.name, why?.code])).toEqual([
    ['second', undefined],
    ['first', 'unimplemented'],
    ['third', undefined],
  ])
  expect((await drivers.usable('third')).name).toBe('third')
  expect([first.probes, second.probes, third.probes]).toEqual([1, 1, 1])
})

test('the one that is set is the default, also where it cannot be used', async () => {
  const drivers = chooseDrivers([driver('first'), driver('second', 'permission_denied')], { configured: 'second' })
  expect((await drivers.find(undefined)).name).toBe('second')
  expect(await failureOf(drivers.usable(undefined))).toEqual({ code: 'permission_denied', message: 'use second: it cannot be' })
  expect(() => chooseDrivers([driver('first')], { configured: 'none' })).toThrow('use snapshot driver none by default: this node has first')
})

test('what may pass is tried again', async () => {
  const only = driver('only', 'resource_exhausted')
  const drivers = chooseDrivers([only], { configured: undefined })
  expect(await failureOf(drivers.usable('only'))).toMatchObject({ code: 'resource_exhausted' })
  expect((await drivers.usable('only')).name).toBe('only')
})

test('a node has overlay, btrfs and native, any of them at once, and says of each why', async () => {
  await using room = await openSnapshotRoom()
  const { drivers } = await room.ask.drivers({})
  expect(drivers.map(({ name }) => name)).toEqual(['overlay', 'btrfs', 'native'])
  for (const { usable, why, code } of drivers) {
    expect(why).toMatch(usable ? /^tried, and works: [a-z].*[a-z]$/ : /^use .* snapshots: /)
    expect(code === undefined).toBe(usable)
  }
  for (const { name } of drivers.filter(({ usable }) => usable)) await room.ask.prepare({ key: 'same', driver: name })
  for (const { name } of drivers.filter(({ usable }) => usable))
    expect((await room.ask.stat({ key: 'same', driver: name })).driver).toBe(name)
})
