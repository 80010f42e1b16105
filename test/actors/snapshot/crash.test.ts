import { test } from 'vitest'
import { tempDirectory } from '../../support/temp.ts'
import { surviveDeaths } from './deaths.ts'

const deaths = [
  ['overlay', 'before'],
  ['overlay', 'after'],
  ['native', 'before'],
] as const

test.for(deaths)(
  'killed at any write, it carries on, and no directory is left that no snapshot has: %s, %s',
  { timeout: 120_000 },
  async ([driver, side]) => surviveDeaths(driver, side, tempDirectory),
)
