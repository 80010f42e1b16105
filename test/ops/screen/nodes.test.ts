import { expect, test } from 'vitest'
import { nodesAsJson, nodesInLines } from '../../../ops/screen/node-watchers.ts'
import { type NodeProgress, nodeLines } from '../../../ops/screen/nodes.ts'

const mib = 1024 * 1024
const fetching: NodeProgress = {
  node: 'n1',
  state: 'fetching',
  bytes: 12 * mib,
  total: 60 * mib,
  elapsedMs: 2_000,
  sources: { origin: 8 * mib, peers: { n2: 3 * mib, n3: mib } },
}
const resolving: NodeProgress = {
  node: 'edge-7',
  state: 'resolving',
  bytes: 0,
  total: 0,
  elapsedMs: 0,
  sources: { origin: 0, peers: {} },
}

test('a pull on many nodes is a line a node: state, bytes, rate, and from where they came', () => {
  expect(nodeLines('host/app:1', [fetching, { ...resolving, state: 'done' }], 100)).toEqual([
    'host/app:1: 1 of 2 nodes have it',
    'n1      fetching   12.0 MiB / 60.0 MiB  6.0 MiB/s  from registry 8.0 MiB, n2 3.0 MiB, n3 1.0 MiB',
    'edge-7  done       0 B / 0 B              0 B/s',
  ])
})

test('of many sources the largest are named; no line is wider than the screen', () => {
  const peers = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`n${at}`, (at + 1) * mib]))
  const many = { ...fetching, sources: { origin: 0, peers } }
  expect(nodeLines('r', [many], 200)[1]).toMatch(/from n19 20.0 MiB, n18 19.0 MiB, n17 18.0 MiB, 17 more nodes 153 MiB$/)
  for (const line of nodeLines('r'.repeat(100), [many], 60)) expect(line.length).toBeLessThanOrEqual(60)
})

test('into a pipe goes a line whenever a state changes, or an object a node in the end', () => {
  const written: string[] = []
  const output = { write: (text: string) => void written.push(text) }
  using plain = nodesInLines(output as never)
  plain.changed(resolving)
  plain.changed(resolving)
  plain.changed(fetching)
  plain.ended({ ...fetching, state: 'done' }, { ticket: 't' })
  const from = `registry ${8 * mib}, n2 ${3 * mib}, n3 ${mib}`
  expect(written.splice(0)).toEqual([
    'edge-7\tresolving\t0\t0\t\n',
    `n1\tfetching\t${12 * mib}\t${60 * mib}\t${from}\n`,
    `n1\tdone\t${12 * mib}\t${60 * mib}\t${from}\n`,
  ])
  using json = nodesAsJson(output as never)
  json.changed(fetching)
  json.ended(fetching, { ticket: 't' })
  expect(written.map((line) => JSON.parse(line))).toEqual([{ ...fetching, ticket: 't' }])
})
