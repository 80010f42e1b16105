import { open } from 'node:fs/promises'
import { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import type { Handlers } from '../../messages/grammar/index.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { ingest } from '../../messages/ingest.ts'
import { isDigest } from '../../messages/words/index.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import type { Home } from '../../runtime/home.ts'
import { records } from '../../runtime/records/records.ts'
import { syncfsAsync } from '../../runtime/syscalls/index.ts'
import { openChanges } from './changes.ts'
import { doubt } from './doubt.ts'
import { openDurability } from './durable.ts'
import { content, follow } from './follow.ts'
import { openLending } from './lending.ts'
import { alreadyContent, createContent, life } from './life.ts'
import { placeSmall } from './put.ts'
import { recover } from './recover.ts'
import { openSlices } from './slices.ts'
import { statusOf } from './status.ts'
import { transactions } from './transactions.ts'

/** The way into the content store. */
export async function startIngest(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  await using scope = new AsyncDisposableStack()
  const stop = scope.adopt(new AbortController(), (controller) => controller.abort())
  const me = await thisProcess()
  const blobs = await openBlobs(home.root)
  const contents = tables.table<Info>('content')
  const changes = openChanges()
  const lending = openLending()
  const slices = openSlices()
  const now = () => new Date().toISOString()

  const durability = scope.use(
    openDurability({
      log,
      async sync() {
        await using directory = await open(blobs.directory, 'r')
        await syncfsAsync(directory.fd)
      },
      record: (digests) =>
        tables.transaction(() => {
          for (const digest of digests) {
            const info = contents.get(digest)
            if (info) contents.put(digest, { ...info, durable: true })
          }
        }),
    }),
  )
  const created = (digest: string) => durability.owe([digest])
  const lives = life({ blobs, contents, outbox, changes, slices, now, writerOf: ({ id }) => lending.of(id)?.writer })
  const ingests = scope.use(records({ tables, outbox, log }, { actor: 'ingest', table: 'ingest', machine: ingestMachine, ...lives }))
  const tellAdvanced = (reference: string, offset: number, total: number | undefined) =>
    tell(bus, {
      node,
      actor: 'ingest',
      fact: 'advanced',
      entity: reference,
      data: { reference, offset, ...(total !== undefined && { total }) },
    })
  const writers = transactions({ node, me, blobs, records: ingests, contents, lending, changes, slices, tellAdvanced, created, now })
  scope.defer(() => writers.closeAll())

  durability.owe(
    await recover({
      blobs,
      records: ingests,
      contents,
      transactions: writers,
      me,
      log,
      doubt: (owed) => doubt({ tables, outbox, blobs, log, boot: me.boot }, owed, stop),
    }),
  )

  const find = (reference: string) => {
    const found = ingests.get(blobs.ingest(reference).id)
    return found && found.value !== 'committed' && found.value !== 'aborted' ? found : undefined
  }
  async function look(reference: string) {
    const found = find(reference)
    if (found) {
      const { state, offset, total } = await statusOf({ blobs, lending }, found)
      return { state, path: blobs.ingest(reference).data, offset, ...(total !== undefined && { total }) }
    }
    const info = isDigest(reference) ? contents.get(reference) : undefined
    return info && content(blobs.blob(info.digest), info.size)
  }

  const handlers: Handlers<typeof ingest> = {
    async put({ reference, digest, bytes, labels }, { signal, trace }) {
      return await blobs.alone(
        digest,
        async () => {
          if (contents.get(digest)) throw alreadyContent(digest)
          await placeSmall({ blobs, me }, { digest, bytes }, { signal })
          const at = now()
          const info = await tables.transaction(() => {
            const made = createContent({ contents, outbox }, { digest, size: bytes.length, labels, at })
            const name = reference ?? digest
            outbox.put({ actor: 'ingest', fact: 'committed', entity: name, data: { reference: name, digest, size: bytes.length }, trace })
            return made
          })
          created(digest)
          return info
        },
        { signal },
      )
    },
    async open(request, context) {
      const { token, reference, startedAt, writer } = await writers.open(request, context)
      return { token, path: blobs.ingest(reference).data, offset: writer.offset, startedAt }
    },
    write: async ({ token, offset, bytes }, context) => ({ offset: await writers.write(token, { offset, bytes }, context) }),
    async advance({ token, offset }, context) {
      await writers.advance(token, offset, context)
      return {}
    },
    commit: ({ token, ...claim }, context) => writers.commit(token, claim, context),
    async close({ token }) {
      await writers.close(token)
      return {}
    },
    async abort(request, context) {
      await writers.abort(request, context)
      return {}
    },
    async status({ reference }) {
      const found = find(reference)
      if (!found) throw new Failure('not_found', `find ingest ${reference}: there is none`)
      return await statusOf({ blobs, lending }, found)
    },
    async list() {
      const open = ingests.list().filter(({ value }) => value !== 'committed' && value !== 'aborted')
      return { ingests: await Promise.all(open.map((one) => statusOf({ blobs, lending }, one))) }
    },
    follow: ({ reference }, { signal }) => follow(reference, { changes, look, blobPath: blobs.blob }, { signal }),
  }
  scope.use(await serve(bus, { node, actor: 'ingest', protocol: ingest, handlers, log }))
  return scope.move()
}
