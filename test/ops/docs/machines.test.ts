import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { machinesPage, mermaid } from '../../../ops/docs/machines-page.ts'
import { doorMachine } from '../../runtime/records/door.ts'

test('the drawings of the machines are current: npm run docs makes them', async () => {
  expect(await readFile(join(import.meta.dirname, '../../../ops/docs/machines.md'), 'utf8')).toBe(await machinesPage())
})

test('a drawing has every arrow, every end, and what is done on the way in', () => {
  expect(
    mermaid(doorMachine)
      .split('\n')
      .map((line) => line.trim()),
  ).toEqual([
    'stateDiagram-v2',
    '[*] --> closed',
    'closed --> opening: open / turnKey',
    'closed --> closed: paint / paint',
    'closed --> removed: remove',
    'opening --> open: opened',
    'opening --> closed: failed',
    'open --> closed: close',
    'removed --> [*]',
    'note right of open: announceOpen, creak',
    'note right of removed: unhang',
  ])
})
