import type { content } from '../../messages/content.ts'
import { type Context, Failure, type Handlers } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { type Applied, type Checked, type Compared, unpack } from '../../messages/unpack.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import type { Home } from '../../runtime/home.ts'
import { apply, type Progress } from './apply.ts'
import { check } from './check/check.ts'
import { type CompareRequest, compareSnapshots } from './compare/layer.ts'
import { type GrowthComponents, growthOf } from './growth.ts'
import { withProgress } from './progress.ts'
import { openTarget } from './target.ts'

type Request = Parameters<Handlers<typeof unpack>['apply']>[0]
type CheckRequest = Parameters<Handlers<typeof unpack>['check']>[0]

/** What the dispatcher has a thread do. */
const work = { apply: unpack.apply, check: unpack.check, compare: unpack.compare } as const
export type Work = typeof work

/** ms between two reports of one layer */
const paceMs = 100

/** One of the threads that apply and compare layers, under the name `actor`; the dispatcher asks it. */
export function startUnpackWorker(home: Home, { actor }: { actor: string }): Promise<AsyncDisposable> {
  const { bus, node, log } = home
  const growth: GrowthComponents = {
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
  }
  const comparing = {
    ...{ root: home.root, log },
    snapshot: client<typeof snapshot>(bus, { node, actor: 'snapshot' }),
    lease: client<typeof lease>(bus, { node, actor: 'lease' }),
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
  }
  return serve(bus, {
    node,
    actor,
    protocol: work,
    only: 'node',
    log,
    handlers: {
      apply: (request, context) => applyOne(home, growth, request, context),
      check: (request, context) => checkOne(growth, request, context),
      compare: (request, context) => compareTwo(home, comparing, request, context),
    },
  })
}

async function* applyOne(home: Home, growth: GrowthComponents, request: Request, context: Context): AsyncGenerator<Applied | Progress> {
  const { descriptor, target, expected, base } = request
  const { signal, trace, log } = context
  const { digest, size } = descriptor
  const warn = (what: string): void => log.warn({ digest }, what)
  await using opened = await openTarget(home.root, target, { signal })
  const { path, whiteouts } = opened
  const work = (onProgress: (progress: Progress) => void, given: AbortSignal): Promise<Applied> =>
    apply(
      { growth: growthOf(growth, digest, { signal: given, trace }), size, path, whiteouts, expected, base },
      { signal: given, warn, onProgress },
    )
  for await (const item of withProgress(work, { everyMs: paceMs, signal })) {
    const about = request.label ?? digest
    if ('diffId' in item) await tellApplied(home, digest, item, trace)
    else tell(home.bus, { node: home.node, actor: 'unpack', fact: 'progressed', entity: about, trace, data: { digest, ...item } })
    yield item
  }
}

async function* checkOne(growth: GrowthComponents, request: CheckRequest, context: Context): AsyncGenerator<Checked | Progress> {
  const { descriptor, target, implied } = request
  const { signal, trace } = context
  const { digest, size } = descriptor
  if (target.kind === 'mount')
    throw new Failure('unimplemented', `compare with layer ${digest}: mounts show what other layers have as well, a directory is needed`)
  const { path, whiteouts } = target
  const work = (onProgress: (progress: Progress) => void, given: AbortSignal): Promise<Checked> =>
    check(
      { growth: growthOf(growth, digest, { signal: given, trace }), digest, size, path, whiteouts, implied },
      { signal: given, onProgress },
    )
  yield* withProgress(work, { everyMs: paceMs, signal })
}

async function* compareTwo(
  { tables, outbox }: Home,
  components: Parameters<typeof compareSnapshots>[0],
  request: CompareRequest,
  context: Context,
): AsyncGenerator<Compared | Progress> {
  const { upper } = request
  for await (const item of compareSnapshots(components, { request, everyMs: paceMs }, context)) {
    if ('diffId' in item) {
      const { digest } = item.descriptor
      const data = { upper, digest, diffId: item.diffId, size: item.size }
      await tables.transaction(() => outbox.put({ actor: 'unpack', fact: 'compared', entity: digest, trace: context.trace, data }))
    }
    yield item
  }
}

const tellApplied = ({ tables, outbox }: Home, digest: string, { diffId, size, entries }: Applied, trace: string): Promise<void> =>
  tables.transaction(() => outbox.put({ actor: 'unpack', fact: 'applied', entity: digest, trace, data: { digest, diffId, size, entries } }))
