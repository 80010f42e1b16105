import type { ActorName, Protocols } from './index.ts'

/**
 * Who may ask a verb of any node, beside the operators, who may ask everything, and the node itself:
 *
 * - `observer`: shows names, sizes and states, changes nothing, and costs little. Nobody sees contents of blobs, output or environments of containers;
 * - `node`: other nodes need it to share blobs;
 * - `operator`: nobody else.
 *
 * A new verb must be put here, or this does not compile. `ops/nats` makes permissions of it.
 */
export type Asker = 'observer' | 'node' | 'operator'

type Verbs<A extends ActorName> = {
  [V in keyof Protocols[A]]: Protocols[A][V] extends { readonly kind: 'call' | 'feed' } ? V : never
}[keyof Protocols[A]]

export const askers: { readonly [A in ActorName]: Readonly<Record<Verbs<A>, Asker>> } = {
  // uses credentials of the node, and asks others for its sake
  fetch: { resolve: 'operator', object: 'operator', blob: 'operator' },
  ingest: {
    put: 'operator',
    open: 'operator',
    write: 'operator',
    hold: 'operator',
    advance: 'operator',
    truncate: 'operator',
    commit: 'operator',
    close: 'operator',
    abort: 'operator',
    status: 'observer',
    list: 'observer',
    follow: 'observer',
  },
  content: {
    info: 'observer',
    list: 'observer',
    label: 'operator',
    relabel: 'operator',
    remove: 'operator',
    read: 'operator',
    // hashes all of a blob
    verify: 'operator',
    usage: 'observer',
    locate: 'observer',
  },
  // check reads all of a layer
  unpack: { apply: 'operator', check: 'operator', compare: 'operator', list: 'observer' },
  snapshot: {
    prepare: 'operator',
    view: 'operator',
    commit: 'operator',
    mounts: 'observer',
    stat: 'observer',
    list: 'observer',
    label: 'operator',
    usage: 'observer',
    replace: 'operator',
    layer: 'observer',
    remove: 'operator',
    drivers: 'observer',
  },
  image: { put: 'operator', get: 'observer', list: 'observer', label: 'operator', remove: 'operator', check: 'observer' },
  pull: { start: 'operator', unpack: 'operator', follow: 'observer', status: 'observer', list: 'observer', cancel: 'operator' },
  // get and list show environments, where people put passwords
  container: { create: 'operator', get: 'operator', list: 'operator', label: 'operator', remove: 'operator', commit: 'operator' },
  exec: {
    create: 'operator',
    start: 'operator',
    kill: 'operator',
    pause: 'operator',
    resume: 'operator',
    wait: 'observer',
    list: 'observer',
    state: 'observer',
    resize: 'operator',
    write: 'operator',
    attach: 'operator',
    remove: 'operator',
  },
  lease: {
    create: 'operator',
    renew: 'operator',
    add: 'operator',
    drop: 'operator',
    get: 'observer',
    list: 'observer',
    remove: 'operator',
  },
  gc: { run: 'operator', plan: 'observer', why: 'observer' },
  scrub: { run: 'operator' },
  node: { info: 'observer', health: 'observer', drain: 'operator' },
  swarm: { bring: 'operator', object: 'operator', have: 'observer', read: 'node', connect: 'node' },
  // resolve asks registries
  tag: { resolve: 'operator', share: 'operator', unshare: 'operator', list: 'observer' },
}

/** `actor.verb` of all that somebody may ask. */
export const askedBy = (asker: Asker): string[] =>
  Object.entries<Readonly<Record<string, Asker>>>(askers).flatMap(([actor, verbs]) =>
    Object.entries(verbs).flatMap(([verb, by]) => (by === asker ? [`${actor}.${verb}`] : [])),
  )
