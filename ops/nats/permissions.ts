/** Who may say what, and hear what: subjects for each kind of user, made of what the protocols say (messages/trust.ts). */
import { agreed } from '../../messages/agreed.ts'
import { blobSubject, cancelSubject, eventSubject, type Protocol, subject } from '../../messages/grammar/index.ts'
import { protocols } from '../../messages/index.ts'
import { askedBy } from '../../messages/trust.ts'

/** Subjects a user may publish to and subscribe to. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/**
 * A node answers and tells as itself alone, asks its own actors anything and those of others what `messages/trust.ts` gives to nodes.
 *
 * It makes no stream, no bucket and no consumer: who may do that can have the server say anything to anybody. It answers into whatever inbox it was asked from, none of which can be
 * guessed; with `allow_responses` instead, who asks could have it answer to a subject that is no inbox, and the server would go through every answer that is
 * still allowed whenever one more is.
 */
export function nodePermissions(root: string, node: string): Permissions {
  const events = `${streams(root)}_EVENTS`
  const buckets = Object.values(agreed).map(({ name }) => `${streams(root)}_${name.toUpperCase()}`)
  return {
    publish: [
      `${root}.${node}.>`,
      eventSubject(root, node, '*', '*'),
      blobSubject(root, '>'),
      ...verbs(root, 'node'),
      cancelSubject(root),
      '_INBOX.>',
      '$JS.API.INFO',
      ...[events, ...buckets.map((bucket) => `KV_${bucket}`)].map((stream) => `$JS.API.STREAM.INFO.${stream}`),
      ...[events, ...buckets.map((bucket) => `KV_${bucket}`)].map((stream) => `$JS.API.STREAM.MSG.GET.${stream}`),
      ...buckets.map((bucket) => `$KV.${bucket}.>`),
    ],
    subscribe: [
      `${root}.${node}.>`,
      `${root}.all.>`,
      // as one of all who may, never beside them
      `${root}.any.> any`,
      blobSubject(root, '>'),
      `${root}.event.>`,
      inbox(node),
      '$SRV.>',
    ],
  }
}

/** An observer hears every event, asks what shows and changes nothing, and is answered in an inbox of its own. */
export function observerPermissions(root: string, user: string): Permissions {
  return {
    publish: [...verbs(root, 'observer'), blobSubject(root, '*'), cancelSubject(root), subject(root, '*', 'bus', 'pace'), '$SRV.>'],
    subscribe: [`${root}.event.>`, inbox(user)],
  }
}

/**
 * A server at the edge says and hears what its nodes may, no more. What a hub listens to is made known at the edge only when it is one of these subjects, or a pattern that has one
 * of them within: so facts are named one by one, and queues not at all.
 */
export function edgePermissions(root: string, nodes: readonly string[]): Permissions {
  const all = nodes.map((node) => ({ node, ...nodePermissions(root, node) }))
  return {
    publish: [...new Set(all.flatMap(({ node, publish }) => [...publish, ...facts(root, node)]))],
    subscribe: [...new Set(all.flatMap(({ subscribe }) => subscribe.map((one) => one.split(' ')[0] ?? '')))],
  }
}

const facts = (root: string, node: string): string[] =>
  Object.entries<Protocol>(protocols).flatMap(([actor, protocol]) =>
    Object.entries(protocol).flatMap(([fact, { kind }]) => (kind === 'event' ? [eventSubject(root, node, actor, fact)] : [])),
  )

const verbs = (root: string, asker: 'node' | 'observer'): string[] => askedBy(asker).map((word) => `${root}.*.${word}`)

const inbox = (user: string): string => `_INBOX.${user}.>`

/** First word of the names of a tenant's streams and buckets. */
const streams = (root: string): string => root.replaceAll('.', '_').toUpperCase()
