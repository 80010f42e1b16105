/** The NATS server killed again and again while a node works. `GANTRY_TEST_RUNS=100` is the full number: 100 kills during 1,000 operations. */
import { expect, test } from 'vitest'
import type { lease } from '../../messages/lease.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { type Kept, recall } from '../../runtime/bus/stream.ts'
import { retry } from '../../runtime/retry.ts'
import { startNats } from '../support/nats.ts'
import { startNode } from '../support/node.ts'

const kills = Number(process.env['GANTRY_TEST_RUNS'] ?? 10)
const timeout = process.env['GANTRY_TEST_RUNS'] === undefined ? 120_000 : 0

/** Things that something is told about, each by one who does one operation after the other. */
const leases = Array.from({ length: 10 }, (_, n) => `lease-${n}`)
const operations = kills

test(`${kills} kills of the NATS server during ${operations * leases.length} operations: no fact is lost, none kept twice, those about one thing are in order`, {
  timeout,
}, async () => {
  await using nats = await startNats({ jetstream: true })
  await using node = await startNode({ args: ['--nats', nats.url] })
  const bus = await nats.connect()
  let done = 0
  let next = Promise.withResolvers<void>()
  const count = (): void => {
    done += 1
    next.resolve()
    next = Promise.withResolvers()
  }
  const working = Promise.all(leases.map((id) => work(bus, node.name, id, count)))
  for (let killed = 0; killed < kills; killed++) {
    // With the next ten done, and others under way.
    while (done < killed * leases.length) await Promise.race([next.promise, working])
    await nats.restart()
  }
  await working
  await expect.poll(async () => distinct(await told(bus)).length, { timeout: 30_000, interval: 500 }).toBe(operations * leases.length)
  await node.stop()

  const all = await told(bus)
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  for (const id of leases) {
    const numbers = all.filter(({ subject }) => subject === id).map(numberOf)
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    expect([...new Set(numbers)]).toEqual(Array.from({ length: operations }, (_, n) => n))
  }
})

/** A day from now: time enough for what is numbered by seconds. */
const base = Date.now() + 24 * 60 * 60 * 1000
const expiry = (number: number): string => new Date(base + number * 1000).toISOString()
const numberOf = ({ data }: Kept): number => (Date.parse(String(data['expiresAt'])) - base) / 1000

/** Number a lease on and on. One that was not answered is asked for again, whether or not it was done: then two facts of it, each with its own id, are right. */
async function work(bus: Bus, node: string, id: string, done: () => void): Promise<void> {
  const asked = client<typeof lease>(bus, { node, actor: 'lease' })
  for (let number = 0; number < operations; number++) {
    const change = number === 0 ? asked.create : asked.renew
    await retry(() => change({ id, expiresAt: expiry(number) }), { tries: Number.POSITIVE_INFINITY, mostMs: 200 }).catch((error) => {
      if (error.code !== 'already_exists') throw error
    })
    done()
  }
}

const told = (bus: Bus): Promise<Kept[]> => Array.fromAsync(recall(bus, { patterns: ['lease.created', 'lease.renewed'] }))

const distinct = (events: readonly Kept[]): string[] => [...new Set(events.map((event) => `${event.subject} ${numberOf(event)}`))]
