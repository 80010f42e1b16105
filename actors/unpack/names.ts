import { invalid, quoted } from './invalid.ts'
import type { Limits } from './limits.ts'

/** Where in a tree a name lies: the path of its directory, and the last part. Both clean: no empty part, no `.`, no `..`. */
export interface Place {
  /** parts joined by `/`; empty for the root */
  readonly directory: string
  readonly base: string
}

/**
 * The place a name of an archive means: absolute ones are inside the root like all others, and `..` above the root stays there.
 * Undefined when it is the root itself. Fails with data_loss for names no file system takes.
 */
export function placeOf(name: string, limits: Limits): Place | undefined {
  if (name.length > limits.path) throw invalid(`${quoted(name)}…: a path of ${name.length} bytes`)
  const path = isClean(name) ? name : clean(name)
  if (path === '') return undefined
  const slash = path.lastIndexOf('/')
  if (path.length > limits.name) checkParts(path, limits)
  return { directory: slash < 0 ? '' : path.slice(0, slash), base: path.slice(slash + 1) }
}

/** Nearly every name is clean but for a slash at the end of a directory's; one scan without a split says so. */
function isClean(name: string): boolean {
  let start = 0
  for (let at = 0; at <= name.length; at++) {
    const code = at === name.length ? slash : name.charCodeAt(at)
    if (code !== slash) continue
    if (at === start) return false
    if (name.charCodeAt(start) === dot && (at - start === 1 || (at - start === 2 && name.charCodeAt(start + 1) === dot))) return false
    start = at + 1
  }
  return true
}

const slash = 0x2f
const dot = 0x2e

function clean(name: string): string {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return parts.join('/')
}

function checkParts(path: string, limits: Limits): void {
  for (const part of path.split('/')) if (part.length > limits.name) throw invalid(`${quoted(path)}: a name of ${part.length} bytes`)
}
