import { open } from 'node:fs/promises'
import { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { isFailure } from '../../messages/grammar/index.ts'
import { ingest } from '../../messages/ingest.ts'
import type { Digest } from '../../messages/words/index.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import { openDurability } from '../../runtime/durability.ts'
import type { Home } from '../../runtime/home.ts'
import { records as openRecords } from '../../runtime/records/records.ts'
import { syncfsAsync } from '../../runtime/syscalls/index.ts'
import { openChanges } from './changes.ts'
import { doubt } from './doubt.ts'
import { recordDurable } from './durable.ts'
import { follow } from './follow.ts'
import { openLending } from './lending.ts'
import { life } from './life.ts'
import { put } from './put.ts'
import { recover } from './recover.ts'
import { openSlices } from './slices.ts'
import { transactions } from './transactions.ts'
import { openViews } from './views.ts'

/** The way into the content store. Setting `ingest.sync-delay`: ms from the first blob that is not known to be on disk to the sync that covers it. */
export async function startIngest(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  await using scope = new AsyncDisposableStack()
  const stop = scope.adopt(new AbortController(), (controller) => controller.abort())
  const me = await thisProcess()
  const blobs = await openBlobs(home.root)
  const contents = tables.table<Info>('content')
  const [changes, lending, slices] = [openChanges(), openLending(), openSlices()]
  const now = () => new Date().toISOString()

  const sync = async () => {
    await using directory = await open(blobs.directory, 'r')
    await syncfsAsync(directory.fd)
  }
  const durability = scope.use(
    openDurability(
      { sync, record: recordDurable({ tables, contents }), log },
      { what: 'blobs', delayMs: Number(home.settings['ingest.sync-delay'] ?? 5_000) },
    ),
  )
  const created = (digest: Digest) => durability.owe([digest])

  const lives = life({ blobs, contents, outbox, changes, slices, now, writerOf: ({ id }) => lending.of(id)?.writer })
  const records = scope.use(openRecords({ tables, outbox, log }, { actor: 'ingest', table: 'ingest', machine: ingestMachine, ...lives }))
  const tellAdvanced = (reference: string, offset: number, total: number | undefined) =>
    tell(bus, {
      node,
      actor: 'ingest',
      fact: 'advanced',
      entity: reference,
      data: { reference, offset, ...(total !== undefined && { total }) },
    })
  const writers = transactions({ node, me, blobs, records, contents, lending, changes, slices, tellAdvanced, created, now })
  scope.defer(() => writers.closeAll())
  const views = openViews({ records, contents, blobs, lending })

  const recheck = (owed: Iterable<Info>) => doubt({ tables, outbox, blobs, log, boot: me.boot }, owed, stop)
  durability.owe(await recover({ blobs, records, contents, transactions: writers, me, log, doubt: recheck }))

  const serving = await serve(bus, {
    node,
    actor: 'ingest',
    protocol: ingest,
    log,
    handlers: {
      async put({ reference, digest, ...blob }, context) {
        const name = reference ?? digest
        const info = await put({ me, blobs, tables, contents, outbox, now }, { reference: name, digest, ...blob }, context)
        created(digest)
        await writers.abort({ reference: name, why: `${digest} is content already` }, context).catch((error: unknown) => {
          if (!isFailure(error, 'not_found', 'failed_precondition')) throw error
        })
        return info
      },
      async open(request, context) {
        const { token, startedAt, writer } = await writers.open(request, context)
        return { token, path: writer.path, offset: writer.offset, startedAt }
      },
      write: async ({ token, ...piece }, context) => ({ offset: await writers.write(token, piece, context) }),
      async advance({ token, offset }, context) {
        await writers.advance(token, offset, context)
        return {}
      },
      truncate: async ({ token, offset }, context) => ({ offset: await writers.truncate(token, offset, context) }),
      commit: ({ token, ...claim }, context) => writers.commit(token, claim, context),
      async close({ token }) {
        await writers.close(token)
        return {}
      },
      async abort(request, context) {
        await writers.abort(request, context)
        return {}
      },
      status: ({ reference }) => views.status(reference),
      list: async () => ({ ingests: await views.list() }),
      follow: ({ reference }, { signal }) => follow(reference, { changes, look: views.look, blobPath: blobs.blob }, { signal }),
    },
  })
  scope.use(serving)
  return scope.move()
}
