/** What every test here does: apply bytes to a directory. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Applying, type ApplyOptions, apply, type Outcome } from '../../../actors/unpack/apply.ts'

/** A place with a root to apply to, and room beside it that nothing may reach. */
export interface Ground extends Disposable {
  readonly base: string
  readonly root: string
  apply(blob: Uint8Array, applying?: Partial<Applying>, options?: Partial<ApplyOptions>): Promise<Outcome>
}

export function ground(): Ground {
  const base = mkdtempSync(join(tmpdir(), 'gantry-unpack-'))
  const root = join(base, 'root')
  mkdirSync(root)
  let blobs = 0
  return {
    base,
    root,
    apply(blob, applying = {}, options = {}) {
      const path = join(base, `blob-${blobs++}`)
      writeFileSync(path, blob)
      return apply(
        { growth: whole(path, blob.length), size: blob.length, path: root, whiteouts: 'remove', ...applying },
        { signal: new AbortController().signal, ...options },
      )
    },
    [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }),
  }
}

export async function* whole(path: string, offset: number): AsyncGenerator<{ path: string; offset: number; complete: boolean }> {
  yield { path, offset, complete: true }
}

export const isRoot = process.getuid?.() === 0
