import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import { blobSubject, Failure, isFailure, type Protocol } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import { pull } from '../../messages/pull.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { Gained, type holders, type swarm } from '../../messages/swarm.ts'
import type { Freshness, tag } from '../../messages/tag.ts'
import type { unpack } from '../../messages/unpack.ts'
import { type Digest, digestToken, parseReference } from '../../messages/words/index.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { askRoom, enterRoom } from '../../runtime/bus/room.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import { drainingOf } from '../../runtime/draining.ts'
import { given } from '../../runtime/given.ts'
import type { Home } from '../../runtime/home.ts'
import { limit } from '../../runtime/limit.ts'
import { shared } from '../../runtime/shared.ts'
import type { Asks } from './asks.ts'
import { type Board, hasEnded } from './board.ts'
import type { Bringing } from './bring.ts'
import { nobody } from './company.ts'
import { pulls } from './pulls.ts'
import { clusterSource, registrySource } from './source.ts'

/** ms between two things told of a pull's progress. */
const pauseMs = 100

/** Serve `pull` on this node, and go on with the pulls an earlier run left. */
export async function startPull(home: Home): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { node, bus, tables, outbox, log } = home
  const ask = <P extends Protocol>(actor: string) => client<P>(bus, { node, actor })
  const persistence = stack.use(persist(bus))
  const asks: Asks = {
    tag: ask<typeof tag>('tag'),
    ...whereFrom(home),
    ingest: ask<typeof ingest>('ingest'),
    content: ask<typeof content>('content'),
    snapshot: ask<typeof snapshot>('snapshot'),
    unpack: ask<typeof unpack>('unpack'),
    image: ask<typeof image>('image'),
    lease: ask<typeof lease>('lease'),
    log,
    persist: persistence.run,
  }
  const bringing: Bringing = {
    asks,
    blobs: shared(),
    layers: shared(),
    tokens: new Map(),
    downloads: limit(6),
    applies: limit(2 * availableParallelism()),
  }
  const draining = drainingOf(tables)
  const demandUp = (attempted: string) => {
    if (draining.on) throw new Failure('failed_precondition', `${attempted}: node ${node} is draining, it takes nothing new`)
  }
  const all = stack.use(pulls({ bringing, tables, outbox, leaseSeconds: aDay, onBoard: announce(home) }))

  stack.use(
    await serve(bus, {
      node,
      actor: 'pull',
      protocol: pull,
      log,
      handlers: {
        async start({ reference, platform = here, driver, unpack, ...freshness }) {
          parseReference(reference)
          demandUp(`pull ${reference}`)
          return { ticket: await all.start({ reference, platform, driver, unpack, ...wantedOf(freshness) }) }
        },
        async unpack({ name, platform, driver }, { signal }) {
          demandUp(`unpack ${name}`)
          const image = await asks.image.get({ name }, { signal })
          return { ticket: await all.start({ reference: name, platform: platform ?? image.platform, driver, unpack: true, here: true }) }
        },
        async *follow({ ticket }, { signal, fail }) {
          const board = all.board(ticket)
          if (board) yield* board.watch({ signal, pauseMs })
          const ended = all.status(ticket)
          if (!ended) return fail('not_found', `follow pull ${ticket}: there is none of this ticket`)
          const { state, digest, resolved, steps } = ended
          if (!board) yield { state, ...(digest && { digest }), ...(resolved && { resolved }), steps }
          if (ended.why) throw Failure.fromData(ended.why)
        },
        status: ({ ticket }, { fail }) => all.status(ticket) ?? fail('not_found', `look at pull ${ticket}: there is none of this ticket`),
        list: () => ({ pulls: all.list() }),
        async cancel({ ticket }) {
          await all.cancel(ticket)
          return {}
        },
      },
    }),
  )
  all.resume()
  return stack.move()
}

/** How long what a pull brought stays without its image. */
const aDay = 86_400

/** Where bytes come from, as the node is set: other nodes too, or registries alone. */
function whereFrom({ node, bus, settings }: Home): Pick<Asks, 'source' | 'enter'> {
  const registry = registrySource({ fetch: client<typeof fetch>(bus, { node, actor: 'fetch' }) })
  if (settings['swarm.enabled'] === 'false') return { source: registry, enter: nobody }
  const place = (digest: Digest) => ({
    node,
    asked: blobSubject(bus.root, digestToken(digest)),
    told: blobSubject(bus.root, digestToken(digest), 'gained'),
  })
  return {
    source: clusterSource({
      registry,
      swarm: client<typeof swarm>(bus, { node, actor: 'swarm' }),
      holders: (digest, options) => askRoom<typeof holders>(bus, place(digest), options),
    }),
    enter: (digest, heard) =>
      enterRoom<typeof holders, Gained>(bus, { ...place(digest), heard, read: (value) => Gained.safeParse(value).data }),
  }
}

/** The platform of this machine, in the words of images. */
const here = {
  os: 'linux',
  architecture: ({ x64: 'amd64', ia32: '386' } as Readonly<Record<string, string>>)[process.arch] ?? process.arch,
}

/** What was asked for; nothing is kept of what was left to the node. */
const wantedOf = (asked: Freshness): { wanted?: Freshness } => {
  const wanted = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  return Object.keys(wanted).length > 0 ? { wanted } : {}
}

/** Tell what changes on a board to whoever listens. */
const announce =
  ({ node, bus, log }: Home) =>
  (ticket: string, board: Board, { signal }: { signal: AbortSignal }): void => {
    const telling = async () => {
      for await (const { state, steps } of board.watch({ signal, pauseMs }))
        if (!hasEnded(state)) tell(bus, { node, actor: 'pull', fact: 'advanced', entity: ticket, data: { ticket, state, steps } })
    }
    telling().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error, ticket }, 'progress of a pull is no longer told')
    })
  }

/** ms after the bus is back in which others may not have come back yet. */
const returningMs = 15_000

/** Work that outlasts the bus: what fails because the bus was lost meanwhile is done again when it is back. */
function persist(bus: Bus): Disposable & { run: Asks['persist'] } {
  let losses = 0
  let back = Promise.withResolvers<void>()
  let returned = Number.NEGATIVE_INFINITY
  back.resolve()
  const status = bus.onStatus((now) => {
    if (now === 'disconnected') {
      losses++
      back = Promise.withResolvers()
    } else {
      returned = performance.now()
      back.resolve()
    }
  })
  const run: Asks['persist'] = async (work, { signal }) => {
    for (let attempt = 0; ; attempt++) {
      const before = losses
      try {
        return await work()
      } catch (error) {
        const lost = losses > before || performance.now() - returned < returningMs
        if (!lost || signal.aborted || !isFailure(Failure.from(error), 'unavailable', 'deadline_exceeded', 'cancelled')) throw error
        await given(signal, back.promise)
        await setTimeout(Math.min(2 ** attempt * 50, 1_000), undefined, { signal })
      }
    }
  }
  return { run, [Symbol.dispose]: () => status[Symbol.dispose]() }
}
