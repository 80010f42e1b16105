/** Requests made so that the machine they are tried on stays as it is: paths only in a sandbox, no registry but the one of the test. */
import { isFailure } from '../../messages/grammar/index.ts'
import { parseReference } from '../../messages/words/index.ts'

/** Where it may do what it likes, and what is there at the moment. */
export interface Sandbox {
  /** paths a request may name; the files and directories of the test */
  readonly paths: readonly string[]
  readonly registry: { readonly host: string }
  /** what a name stands for now, see `stand` */
  now(what: string, which: number): string
}

const askingRegistries = ['fetch.resolve', 'fetch.object', 'fetch.blob', 'pull.start', 'tag.resolve', 'swarm.bring', 'swarm.object']
const mountTypes = ['bind', 'overlay', 'tmpfs', 'nonsense']
const mountOptions = ['rw', 'ro', 'rbind', 'bind', 'nonsense', 'lowerdir=nowhere']

/** The same request with nothing in it that reaches out of the sandbox. */
export function harmless(verb: string, value: unknown, sandbox: Sandbox): unknown {
  const pick = <T>(choices: readonly T[], text: unknown): T => choices[String(text).length % choices.length] as T
  const walk = (one: unknown, name: string, depth: number): unknown => {
    if (depth > 50) return one
    if (name === 'path' || name === 'source') return typeof one === 'string' ? pick(sandbox.paths, one) : one
    if (name === 'urls') return [`http://${sandbox.registry.host}/nowhere`]
    if (name === 'mounts' && Array.isArray(one)) return one.map((mount) => (isObject(mount) ? bounded(mount, depth) : mount))
    if (typeof one === 'string') return near(one)
    if (Array.isArray(one)) return one.map((item) => walk(item, '', depth + 1))
    return isObject(one) ? walkFields(one, depth) : one
  }
  const walkFields = (one: object, depth: number): object =>
    Object.fromEntries(Object.entries(one).map(([field, inside]) => [field, walk(inside, field, depth + 1)]))
  const bounded = (mount: object, depth: number): object => {
    const { type, options, ...rest } = walkFields(mount, depth) as { type?: unknown; options?: unknown }
    return {
      ...rest,
      type: pick(mountTypes, type),
      options: Array.isArray(options) ? options.map((option) => pick(mountOptions, option)) : options,
    }
  }
  const near = (text: string): string => {
    const [, what, which] = /^\$(token|ticket):(\d+)$/.exec(text) ?? []
    if (what) return sandbox.now(what, Number(which))
    return askingRegistries.includes(verb) && isElsewhere(text, sandbox.registry.host) ? `${sandbox.registry.host}/nowhere:latest` : text
  }
  return walk(value, '', 0)
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

function isElsewhere(text: string, host: string): boolean {
  try {
    return parseReference(text).host !== host
  } catch (error) {
    if (isFailure(error)) return false
    throw error
  }
}
