/** What every test here does: make two directories, and a layer of their difference. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Comparing, type Comparison, compare } from '../../../../actors/unpack/compare/compare.ts'
import type { Told } from './reading.ts'
import { readTar } from './reading.ts'

export interface Pair extends Disposable {
  readonly base: string
  /** before */
  readonly lower: string
  /** after */
  readonly upper: string
  /** Make a plain layer of it, and read that. */
  diff(init?: Partial<Comparing>): Promise<Made>
}

export interface Made extends Comparison {
  readonly bytes: Buffer
  readonly told: Told[]
  readonly names: string[]
}

export function pair(): Pair {
  const base = mkdtempSync(join(tmpdir(), 'gantry-compare-'))
  const [lower, upper] = [join(base, 'lower'), join(base, 'upper')]
  for (const path of [lower, upper]) mkdirSync(path)
  return {
    base,
    lower,
    upper,
    diff: (init) => madeOf({ upper, lower, ...init }),
    [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }),
  }
}

/** Make a layer, and read it if it is not compressed. */
export async function madeOf(init: Partial<Comparing> & Pick<Comparing, 'upper'>): Promise<Made> {
  const pieces: Uint8Array[] = []
  const comparing: Comparing = { finder: 'trees', compression: 'none', append: (bytes) => void pieces.push(Buffer.from(bytes)), ...init }
  const made = await compare(comparing, { signal: new AbortController().signal })
  const bytes = Buffer.concat(pieces)
  const told = comparing.compression === 'none' ? readTar(bytes) : []
  return { ...made, bytes, told, names: told.map(({ name }) => name) }
}
