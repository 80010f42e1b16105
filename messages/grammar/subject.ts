import { Failure } from './failure.ts'

/** Tokens that stand where a node's name stands, so no node may bear them. */
const reserved = ['any', 'all', 'event', 'blob'] as const

/** Whom a request is for: one node by name, any one node, or every node. */
export type Addressee = string

/** `gantry.<node>.<actor>.<verb>`: the address of a word. `root` is the first token or tokens, `gantry` unless configured. */
export const subject = (root: string, to: Addressee, actor: string, verb: string): string => `${root}.${to}.${actor}.${verb}`

/** `gantry.event.<node>.<actor>.<fact>`: where a fact is told. `*` is allowed in each place when listening. */
export const eventSubject = (root: string, node: string, actor: string, fact: string): string => `${root}.event.${node}.${actor}.${fact}`

/** `gantry.blob.<token>`: where everybody who has a blob, or some of it, is asked at once; `gantry.blob.<token>.gained`: where they tell what they gain. */
export const blobSubject = (root: string, token: string, fact?: 'gained'): string => `${root}.blob.${token}${fact ? `.${fact}` : ''}`

/** Where a caller that gives up says so; every process that serves listens. The payload is `{call}`, the id of the request. */
export const cancelSubject = (root: string): string => `${root}.all.bus.cancel`

/**
 * A node's name, checked: 1 to 32 of `[a-z0-9-]`, and none of the reserved tokens.
 * Fails with invalid_argument.
 */
export function nodeName(name: string): string {
  if (!/^[a-z0-9-]{1,32}$/.test(name))
    throw new Failure('invalid_argument', `name a node ${JSON.stringify(name)}: 1 to 32 of a-z, 0-9 and - are allowed`)
  if ((reserved as readonly string[]).includes(name)) throw new Failure('invalid_argument', `name a node ${name}: the word is reserved`)
  return name
}
