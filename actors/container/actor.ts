import { type Container, container } from '../../messages/container.ts'
import type { content } from '../../messages/content.ts'
import type { exec } from '../../messages/exec.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import type { unpack } from '../../messages/unpack.ts'
import type { Labels } from '../../messages/words/index.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { drainingOf } from '../../runtime/draining.ts'
import type { Home } from '../../runtime/home.ts'
import { keepingOf } from '../../runtime/keeping/keeping.ts'
import { type CommitItem, type CommitRequest, commitContainer } from './commit.ts'
import { type CreateRequest, prepareContainer } from './create.ts'
import { keepContainer, thingOf } from './kept.ts'
import type { Asking } from './read.ts'

/** Containers: what would run, on which snapshot. Nothing here touches a file: it asks those who do. */
export async function startContainer(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  const containers = tables.table<Container>('containers')
  const keeping = keepingOf(home)
  const draining = drainingOf(tables)
  const asks = {
    image: client<typeof image>(bus, { node, actor: 'image' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
    snapshot: client<typeof snapshot>(bus, { node, actor: 'snapshot' }),
    exec: client<typeof exec>(bus, { node, actor: 'exec' }),
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    lease: client<typeof lease>(bus, { node, actor: 'lease' }),
    unpack: client<typeof unpack>(bus, { node, actor: 'unpack' }),
  }
  /** ids at work: one change at a time */
  const busy = new Set<string>()

  const demand = (id: string, attempted: string): Container => {
    const found = containers.get(id)
    if (found === undefined) throw new Failure('not_found', `${attempted}: there is no container ${id}`)
    return found
  }

  const tell = (fact: string, id: string, trace: string, data: Readonly<Record<string, unknown>> = {}) =>
    outbox.put({ actor: 'container', fact, entity: id, data: { id, ...data }, trace })

  function take(id: string, attempted: string): Disposable {
    if (busy.has(id)) throw new Failure('failed_precondition', `${attempted}: it is being created, committed or removed`)
    busy.add(id)
    return { [Symbol.dispose]: () => void busy.delete(id) }
  }

  async function alone<T>(id: string, attempted: string, work: () => Promise<T>): Promise<T> {
    using _ = take(id, attempted)
    return await work()
  }

  async function create(request: CreateRequest, { signal, trace }: Asking): Promise<Container> {
    const { id } = request
    if (draining.on) throw new Failure('failed_precondition', `create container ${id}: node ${node} is draining, it takes nothing new`)
    if (containers.get(id)) throw new Failure('already_exists', `create container ${id}: there is one`)
    const { made, config } = await prepareContainer(asks, request, { signal, trace })
    try {
      signal.throwIfAborted()
      await tables.transaction(() => {
        containers.put(id, made)
        keepContainer(keeping, made, { config })
        tell('created', id, trace, { image: made.image })
      })
      return made
    } catch (error) {
      await asks.snapshot.remove({ key: made.key, driver: made.driver }, { trace }).catch((left: unknown) => {
        log.error({ err: left, id }, 'remove the snapshot of a container that could not be recorded')
      })
      throw error
    }
  }

  async function remove(id: string, { signal, trace }: Asking): Promise<void> {
    const attempted = `remove container ${id}`
    const { key, driver } = demand(id, attempted)
    const task = await asks.exec.state({ id }, { signal, trace }).catch(unlessMissing)
    if (task) throw new Failure('failed_precondition', `${attempted}: it has a task, which is ${task.state}`)
    await asks.snapshot.remove({ key, driver }, { signal, trace }).catch(unlessMissing)
    await tables.transaction(() => {
      containers.remove(id)
      keeping.gone(thingOf(id))
      tell('removed', id, trace)
    })
  }

  async function label(id: string, labels: Labels, trace: string): Promise<Container> {
    return await tables.transaction(() => {
      const found = demand(id, `label container ${id}`)
      const kept = Object.entries({ ...found.labels, ...labels }).filter(([, value]) => value !== '')
      const labelled = { ...found, labels: Object.fromEntries(kept) }
      containers.put(id, labelled)
      keeping.describe(thingOf(id), { labels: labelled.labels })
      tell('updated', id, trace)
      return labelled
    })
  }

  async function* commit(request: CommitRequest, asking: Asking): AsyncGenerator<CommitItem> {
    const attempted = `commit container ${request.id}`
    using _ = take(request.id, attempted)
    yield* commitContainer({ asks, log }, { made: demand(request.id, attempted), request }, asking)
  }

  // Those made before what is kept was written down; of their config nothing is known.
  await tables.transaction(() => {
    for (const { value } of containers.range()) if (!keeping.has(thingOf(value.id))) keepContainer(keeping, value)
  })
  return await serve(bus, {
    node,
    actor: 'container',
    protocol: container,
    log,
    handlers: {
      create: (request, context) => alone(request.id, `create container ${request.id}`, () => create(request, context)),
      get: ({ id }) => demand(id, `look at container ${id}`),
      list: () => ({ containers: [...containers.range()].map(({ value }) => value) }),
      label: ({ id, labels }, { trace }) => label(id, labels, trace),
      async remove({ id }, context) {
        await alone(id, `remove container ${id}`, () => remove(id, context))
        return {}
      },
      commit: (request, context) => commit(request, context),
    },
  })
}

function unlessMissing(error: unknown): undefined {
  if (!isFailure(error, 'not_found')) throw error
}
