import { expect } from 'vitest'
import { type Code, failures } from '../../messages/grammar/index.ts'
import type { Ran } from './node.ts'

/** The one line a command that failed says, after its name; its exit code is that of `code`. */
export function complaint({ stderr, exitCode }: Ran, code?: Code): string {
  if (code) expect({ exitCode, stderr }).toEqual({ exitCode: failures[code].exit, stderr })
  const lines = stderr.trimEnd().split('\n')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^(dist|ctr|gantry): [a-z].*: .*[^.]$/)
  return lines[0] ?? ''
}
