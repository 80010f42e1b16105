import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { isFailure } from '../../messages/grammar/index.ts'
import { type Holder, ingest } from '../../messages/ingest.ts'
import { isSame, thisProcess } from '../../runtime/alive.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import { openDurability } from '../../runtime/durability.ts'
import type { Home } from '../../runtime/home.ts'
import { keepingOf } from '../../runtime/keeping/keeping.ts'
import { openLifeline } from '../../runtime/lifeline.ts'
import { records as openRecords } from '../../runtime/records/records.ts'
import { leavingRoom } from '../../runtime/room.ts'
import { syncfsAsync } from '../../runtime/syscalls/index.ts'
import { openChanges } from './changes.ts'
import { openClosing } from './closing.ts'
import { openContents } from './contents.ts'
import { doubt } from './doubt.ts'
import { owedName, recordDurable } from './durable.ts'
import { openElsewhere } from './elsewhere.ts'
import { openEndings } from './endings.ts'
import { follow } from './follow.ts'
import { holding } from './holding.ts'
import { openLending } from './lending.ts'
import { life } from './life.ts'
import { put } from './put.ts'
import { recover } from './recover.ts'
import { openSlices } from './slices.ts'
import { transactions } from './transactions.ts'
import { openViews } from './views.ts'

/**
 * The way into the content store. Settings: `ingest.sync-delay`, ms from the first blob that is not known to be on disk to the sync that covers it; `ingest.silence`, ms after which a
 * writer elsewhere that was not heard is taken for dead.
 */
export async function startIngest(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  await using scope = new AsyncDisposableStack()
  const stop = scope.adopt(new AbortController(), (controller) => controller.abort())
  const me = await thisProcess()
  const blobs = await openBlobs(home.root)
  const infos = tables.table<Info>('content')
  const keeping = keepingOf(home)
  const contents = openContents({ tables, outbox, keeping })
  const [changes, lending, slices, endings] = [openChanges(), openLending(), openSlices(), openEndings(tables)]
  const elsewhere = openElsewhere({ ingests: blobs.ingests, log, changed: changes.tell })
  const lifeline = scope.use(await openLifeline({ directory: join(blobs.directory, 'holders'), log }))
  const spend = leavingRoom(blobs.ingests)
  const now = () => new Date().toISOString()

  const sync = async () => {
    await using directory = await open(blobs.directory, 'r')
    await syncfsAsync(directory.fd)
  }
  const durability = scope.use(
    openDurability(
      { sync, record: recordDurable({ tables, contents: infos }), log },
      { what: 'blobs', delayMs: Number(home.settings['ingest.sync-delay'] ?? 5_000) },
    ),
  )
  const created = (info: Info) => durability.owe([owedName(info)])

  const kit = { tables, blobs, contents, keeping, endings, changes, elsewhere, slices, lending, me, node, log, now }
  const lives = life({ ...kit, writerOf: ({ id }) => lending.of(id)?.writer })
  const records = scope.use(openRecords({ tables, outbox, log }, { actor: 'ingest', table: 'ingest', machine: ingestMachine, ...lives }))
  const tellAdvanced = (reference: string, offset: number, total: number | undefined) =>
    tell(bus, {
      node,
      actor: 'ingest',
      fact: 'advanced',
      entity: reference,
      data: { reference, offset, ...(total !== undefined && { total }) },
    })
  const silenceMs = Number(home.settings['ingest.silence'] ?? 30_000)
  const closing = openClosing({ ...kit, records })
  const hold = holding({ ...kit, records, closing })
  const writers = transactions({ ...kit, records, closing, holding: hold, tellAdvanced, created, silenceMs })
  scope.defer(() => writers.closeAll())
  const views = openViews({ ...kit, records, holding: hold })
  const outlive = (holder: Holder, then: () => void) => (isSame(holder, me) ? { [Symbol.dispose]() {} } : lifeline.outlive(holder, then))

  const recheck = (all: Iterable<Info>) => doubt({ ...kit, outbox, records, boot: me.boot }, all, stop)
  durability.owe(await recover({ ...kit, contents: infos, records, holding: hold, doubt: recheck }))

  const serving = await serve(bus, {
    node,
    actor: 'ingest',
    protocol: ingest,
    log,
    handlers: {
      async put({ reference, digest, ...blob }, context) {
        const name = reference ?? digest
        const info = await put({ ...kit, outbox, spend }, { reference: name, digest, ...blob }, context)
        created(info)
        if (!records.get(blobs.ingest(name).id)) return info
        // One under way under this name has nothing left to bring.
        const found = { digest, size: info.size }
        await writers.abort({ reference: name, why: `${digest} is content already`, found }, context).catch((error: unknown) => {
          if (!isFailure(error, 'not_found', 'failed_precondition')) throw error
        })
        return info
      },
      async open(request, context) {
        const { token, startedAt, writer } = await writers.open(request, context)
        return { token, path: writer.path, offset: writer.offset, startedAt, ...(request.writer === 'elsewhere' && { silenceMs }) }
      },
      async hold({ token }) {
        writers.hold(token)
        return {}
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
      list: async ({ filters }) => ({ ingests: await views.list(filters) }),
      follow: ({ reference }, { signal }) => follow(reference, { ...kit, look: views.look, outlive }, { signal }),
    },
  })
  scope.use(serving)
  return scope.move()
}
