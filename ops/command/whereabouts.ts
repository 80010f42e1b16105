/**
 * `<root>/node.json`: a running node says there where it answers, for the commands of the same machine. Only the owner of the root can read it.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NatsAccess } from './nats-access.ts'

export interface Whereabouts {
  readonly node: string
  readonly pid: number
  /** of the NATS server */
  readonly url: string
  /** file with `{user, password}` for it, when it asks for them */
  readonly credentials?: string | undefined
  /** files with what it asks for, when it is not the node's own */
  readonly access?: NatsAccess | undefined
  /** first tokens of every subject */
  readonly subjects: string
}

const file = (root: string): string => join(root, 'node.json')

/** Say where the node of a root answers, until disposed. */
export async function announce(root: string, whereabouts: Whereabouts): Promise<AsyncDisposable> {
  const path = file(root)
  await writeFile(`${path}.new`, `${JSON.stringify(whereabouts, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
}

/** What the node of a root said last; it may have died since. Fails as reading a file does. */
export async function whereabouts(root: string): Promise<Whereabouts> {
  return JSON.parse(await readFile(file(root), 'utf8')) as Whereabouts
}
