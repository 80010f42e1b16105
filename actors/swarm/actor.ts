import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import type { Handlers } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { type Holding, swarm } from '../../messages/swarm.ts'
import { type Digest, digestToken } from '../../messages/words/index.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { isNobody } from '../../runtime/bus/packet.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { asidePath, sweepAsides } from './aside.ts'
import { openBlame } from './blame.ts'
import { openAgreements } from './bus/agreements.ts'
import { askOverBus, connectOverBus, partBytes } from './bus/asking.ts'
import { type Hall, nothingHere, openHall } from './bus/hall.ts'
import { claims } from './claims.ts'
import { openDirect } from './direct/index.ts'
import { openGrudges } from './grudges.ts'
import { openLibrary } from './library.ts'
import { openMemory, type ReadOptions } from './memory.ts'
import { bringObject } from './object.ts'
import { openTransfer, type TransferComponents } from './transfer.ts'
import { openTransfers, type Transfers } from './transfers.ts'
import { openTurns } from './turns.ts'
import { openUploads } from './uploads.ts'

/** Blobs between nodes: brings what this one wants from whoever has it, and serves what it has. */
export async function startSwarm(home: Home): Promise<AsyncDisposable> {
  const { node, bus, log, tables, outbox, settings } = home
  await using stack = new AsyncDisposableStack()
  const { ingests, ...blobs } = await openBlobs(home.root)
  const me = await thisProcess()
  await sweepAsides(ingests, me)
  const asks = {
    fetch: client<typeof fetch>(bus, { node, actor: 'fetch' }),
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
  }
  const now = () => performance.now()
  const memory = openMemory()
  const grudges = openGrudges({ now })
  const blame = openBlame({ ...home, grudges })
  const agreements = stack.use(openAgreements(bus))
  const uploads = openUploads({ perSecond: Number(settings['swarm.upload']) || undefined, now })
  const library = openLibrary({
    node,
    blobs,
    tables,
    log,
    gained: (digest, gained) => hall.tell(digest, gained),
    missing: (digest) => removed(digest),
  })
  const holding = (digest: Digest): Holding | undefined => library.holding(digest) ?? transfers.get(digest)?.holding()
  const give = (digest: Digest, range: { offset: number; length: number }, options: ReadOptions) => {
    const transfer = library.has(digest) ? undefined : transfers.get(digest)
    const work = () => (transfer ? transfer.read(range.offset, range.length, options) : library.read(digest, range, options))
    return uploads.give(range.length, work, options)
  }
  const direct = stack.use(
    await openDirect(
      { overBus: askOverBus(bus), connect: connectOverBus(bus), read: give, memory, now },
      { setting: settings['swarm.direct'] },
    ),
  )
  const others = direct.asking
  const hall: Hall = stack.use(await openHall({ bus, log, holding }, { node }))
  const components: TransferComponents = {
    ...asks,
    ...others,
    memory,
    turns: openTurns(takenAtOnce),
    blame,
    distrusted: grudges.against,
    gone: isNobody,
    node,
    now,
    random: Math.random,
    patienceMs: Number(settings['swarm.patience']) || 5_000,
    beside: () => asidePath(ingests, me),
    enter: hall.enter,
    onConnected: (listener) => bus.onStatus((status) => status === 'connected' && listener()),
    claims: (digest, seen) => claims({ bucket: agreements.bucket, key: digestToken(digest), node, now, ...seen }),
  }
  const transfers: Transfers = stack.use(
    openTransfers({
      open: (blob) => openTransfer(components, blob),
      opened: hall.answer,
      ended: (digest) => library.has(digest) || left(digest),
      log,
    }),
  )

  function created(digest: Digest, size: number): void {
    const transfer = transfers.get(digest)
    library.add(digest, size, transfer?.whole ? transfer.map() : undefined)
    hall.answer(digest)
    hall.tell(digest, { complete: true })
    transfers.settled(digest)
  }
  function removed(digest: Digest): void {
    library.remove(digest)
    if (!transfers.get(digest)) left(digest)
  }
  function left(digest: Digest): void {
    hall.leave(digest)
    hall.tell(digest, { left: true })
  }
  const of = { node, actor: 'content' } as const
  stack.use(listen<typeof content, 'created'>(bus, { ...of, fact: 'created' }, { handler: ({ data }) => created(data.digest, data.size) }))
  stack.use(listen<typeof content, 'removed'>(bus, { ...of, fact: 'removed' }, { handler: ({ data }) => removed(data.digest) }))

  /** From the registry alone: what others sent, if anything, is not believed any more. */
  async function distrust(digest: Digest): Promise<void> {
    const before = transfers.get(digest)
    if (before?.whole)
      for (const author of before.authors()) blame(digest, author, undefined, 'the pieces it vouched for are not of the blob')
    await transfers.end(digest)
  }

  const handlers: Handlers<typeof swarm> = {
    async *bring({ from, ...request }, { signal, trace }) {
      const { digest, size } = request.descriptor
      if (from === 'registry') {
        await distrust(digest)
        for await (const { offset } of asks.fetch.blob(request, { signal, trace }))
          yield { offset, sources: { origin: offset - request.offset, peers: {} } }
        return
      }
      let sources = { origin: 0, peers: {} as Readonly<Record<string, number>> }
      for await (const item of transfers.bring(request, { signal })) {
        sources = { origin: item.sources.origin, peers: { ...item.sources.peers } }
        yield { offset: item.offset, sources }
      }
      await tables.transaction(() =>
        outbox.put({ actor: 'swarm', fact: 'brought', entity: digest, trace, data: { digest, size, ...sources } }),
      )
    },
    async object(request, { signal, trace, fail }) {
      const { digest, size } = request.descriptor
      if (size > partBytes) fail('out_of_range', `bring ${size} bytes in one message: ${partBytes} are allowed`)
      const holders = (options: { signal: AbortSignal }) => hall.ask(digest, options)
      return { bytes: await bringObject({ ...asks, ...others, blame, holders }, request, { signal, trace }) }
    },
    have: ({ digest }) => holding(digest) ?? nothingHere(digest),
    read: async ({ digest, offset, length }, { signal }) => ({ bytes: await give(digest, { offset, length }, { signal }) }),
    connect: async ({ digest, loopback }) => (holding(digest) ? await direct.offer(digest, loopback) : nothingHere(digest)),
  }
  stack.use(await serve(bus, { node, actor: 'swarm', protocol: swarm, log, handlers }))
  for await (const { digest, size } of all(asks.content)) {
    library.add(digest, size)
    hall.answer(digest)
  }
  return stack.move()
}

/** Pieces on their way to this node at once, of all blobs. More would only wait for each other in the nodes they come from, until they are given up there. */
const takenAtOnce = 16

async function* all(asked: {
  list: (request: { after?: string }) => PromiseLike<{ blobs: { digest: Digest; size: number }[]; more: boolean }>
}) {
  for (let after: string | undefined; ; ) {
    const { blobs, more } = await asked.list({ ...(after !== undefined && { after }) })
    yield* blobs
    after = blobs.at(-1)?.digest
    if (!more || after === undefined) return
  }
}
