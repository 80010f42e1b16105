import { agreed } from '../../messages/agreed.ts'
import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import { blobSubject, Failure, type Handlers } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { Gained, holders, swarm } from '../../messages/swarm.ts'
import { type Digest, digestToken } from '../../messages/words/index.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { type Bucket, openBucket } from '../../runtime/bus/bucket.ts'
import type { Interest } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { askRoom, enterRoom, tellRoom } from '../../runtime/bus/room.ts'
import { serve, serveAt } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { type Agreement, claims } from './claims.ts'
import { openLibrary, partBytes } from './library.ts'
import { bringObject } from './object.ts'
import { openTransfer, type Transfer, type TransferComponents } from './transfer.ts'
import { openUploads } from './uploads.ts'

/** ms a blob that came goes on being served from where it was brought to, until content has it */
const lingerMs = 60_000

/** Blobs between nodes: brings what this one wants from whoever has it, and serves what it has. */
export async function startSwarm(home: Home): Promise<AsyncDisposable> {
  const { node, bus, log, tables, outbox, settings } = home
  await using stack = new AsyncDisposableStack()
  const blobs = await openBlobs(home.root)
  const asks = {
    fetch: client<typeof fetch>(bus, { node, actor: 'fetch' }),
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
  }
  const transfers = new Map<Digest, Transfer>()
  const rooms = new Map<Digest, Interest>()
  const uploads = openUploads({ perSecond: Number(settings['swarm.upload']) || undefined, now: () => performance.now() })

  const subjects = (digest: Digest) => ({
    asked: blobSubject(bus.root, digestToken(digest)),
    told: blobSubject(bus.root, digestToken(digest), 'gained'),
  })
  const told = (digest: Digest, gained: object): void => tellRoom(bus, subjects(digest).told, { node, ...gained })
  const library = openLibrary({ node, blobs, tables, log, gained: told, missing: (digest) => forget(digest) })

  const holdingOf = (digest: Digest) => transfers.get(digest)?.holding() ?? library.holding(digest)
  const answered = stack.use(
    await serveAt(bus, {
      node,
      actor: 'swarm',
      log,
      verb: 'holders',
      call: holders,
      handler(at) {
        const digest = digestOf(at)
        const holding = holdingOf(digest)
        if (!holding) throw new Failure('not_found', `say what is here of ${digest}: nothing is`)
        return holding
      },
    }),
  )
  const enter = (digest: Digest): void => {
    if (!rooms.has(digest)) rooms.set(digest, answered.listen(subjects(digest).asked))
  }
  const leave = (digest: Digest): void => {
    if (transfers.has(digest) || library.holding(digest)) return
    void rooms.get(digest)?.[Symbol.asyncDispose]()
    rooms.delete(digest)
  }
  const forget = (digest: Digest): void => {
    library.remove(digest)
    leave(digest)
    told(digest, { left: true })
  }

  async function end(digest: Digest, transfer: Transfer): Promise<void> {
    if (transfers.get(digest) === transfer) transfers.delete(digest)
    await transfer[Symbol.asyncDispose]()
    leave(digest)
  }

  function added(digest: Digest, size: number): void {
    const transfer = transfers.get(digest)
    library.add(digest, size, transfer?.holding().complete ? transfer.holding().map : undefined)
    enter(digest)
    if (transfer) void end(digest, transfer).catch((error: unknown) => log.warn({ err: error, digest }, 'end a transfer'))
  }

  stack.use(
    listen<typeof content, 'created'>(
      bus,
      { node, actor: 'content', fact: 'created' },
      { handler: ({ data }) => added(data.digest, data.size) },
    ),
  )
  stack.use(
    listen<typeof content, 'removed'>(bus, { node, actor: 'content', fact: 'removed' }, { handler: ({ data }) => forget(data.digest) }),
  )

  let bucket: Promise<Bucket<Agreement> | undefined> | undefined
  const open = (): Promise<Bucket<Agreement> | undefined> => {
    bucket ??= openBucket<Agreement>(bus, agreed.claims)
    bucket.catch(() => void (bucket = undefined))
    return bucket
  }
  // What was agreed on went with its server.
  stack.use(bus.onStatus((status) => status === 'connected' && (bucket = undefined)))

  const peers: Pick<TransferComponents, 'read' | 'blame'> = {
    read: async (other, range, options) => {
      const { bytes } = await client<typeof swarm>(bus, { node: other, actor: 'swarm' }).read(range, options)
      return bytes
    },
    blame(digest, sender, piece, why) {
      log.warn({ sender, piece, digest }, why)
      const data = { digest, sender, why, ...(piece !== undefined && { piece }) }
      tables
        .transaction(() => outbox.put({ actor: 'swarm', fact: 'blamed', entity: digest, data }))
        .catch((error: unknown) => log.warn({ err: error }, 'tell who is to blame'))
    },
  }
  const components: TransferComponents = {
    ...asks,
    ...peers,
    node,
    enter: (digest, heard) =>
      enterRoom<typeof holders, Gained>(bus, { node, ...subjects(digest), heard, read: (value) => Gained.safeParse(value).data }),
    onConnected: (listener) => bus.onStatus((status) => status === 'connected' && listener()),
    now: () => performance.now(),
    random: Math.random,
    patienceMs: Number(settings['swarm.patience']) || 5_000,
    claims: (digest, { gone }) => claims({ bucket: open, key: digestToken(digest), node, gone, now: () => performance.now() }),
  }

  const handlers: Handlers<typeof swarm> = {
    async *bring({ from, ...request }, { signal, trace }) {
      const { digest, size } = request.descriptor
      const before = transfers.get(digest)
      if (before) await end(digest, before)
      if (from === 'registry') {
        let offset = request.offset
        for await (const item of asks.fetch.blob(request, { signal, trace })) {
          offset = item.offset
          yield { offset, sources: { origin: offset - request.offset, peers: {} } }
        }
        return
      }
      const transfer = await openTransfer(components, request)
      transfers.set(digest, transfer)
      enter(digest)
      try {
        let sources = { origin: 0, peers: {} as Readonly<Record<string, number>> }
        for await (const item of transfer.run({ signal })) {
          sources = item.sources
          yield { offset: item.offset, sources: { origin: sources.origin, peers: { ...sources.peers } } }
        }
        await tables.transaction(() =>
          outbox.put({ actor: 'swarm', fact: 'brought', entity: digest, trace, data: { digest, size, ...sources } }),
        )
        setTimeout(() => void end(digest, transfer).catch(() => {}), lingerMs).unref()
      } catch (error) {
        await end(digest, transfer)
        throw error
      }
    },
    async object(request, { signal, trace, fail }) {
      if (request.descriptor.size > partBytes)
        fail('out_of_range', `bring ${request.descriptor.size} bytes in one message: ${partBytes} are allowed`)
      const { digest } = request.descriptor
      const others = (options: { signal: AbortSignal }) => askRoom<typeof holders>(bus, { node, ...subjects(digest) }, options)
      return { bytes: await bringObject({ ...asks, ...peers, holders: others }, request, { signal, trace }) }
    },
    have({ digest }, { fail }) {
      return holdingOf(digest) ?? fail('not_found', `say what is here of ${digest}: nothing is`)
    },
    async read({ digest, offset, length }, { signal }) {
      const transfer = transfers.get(digest)
      const work = async () => (transfer ? await transfer.read(offset, length) : await library.read(digest, offset, length))
      return { bytes: await uploads.give(length, work, { signal }) }
    },
  }
  stack.use(await serve(bus, { node, actor: 'swarm', protocol: swarm, log, handlers }))
  for await (const { digest, size } of all(asks.content)) {
    library.add(digest, size)
    enter(digest)
  }
  stack.defer(async () => void (await Promise.all([...transfers].map(([digest, transfer]) => end(digest, transfer)))))
  stack.defer(async () => void (await Promise.all([...rooms.values()].map((interest) => interest[Symbol.asyncDispose]()))))
  return stack.move()
}

/** `gantry.blob.sha256-<hex>` → `sha256:<hex>`. */
const digestOf = (at: string): Digest => at.slice(at.lastIndexOf('.') + 1).replace('-', ':')

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
