import { randomUUID } from 'node:crypto'
import { fromPromise } from 'xstate'
import { type Brought, type PullInput, pullMachine, type Resolved } from '../../machines/pull.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { PullStatus } from '../../messages/pull.ts'
import { formatPlatform } from '../../messages/words/index.ts'
import { runErrand } from '../../runtime/errands.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'
import { about } from './about.ts'
import type { Asks } from './asks.ts'
import { type Board, board as emptyBoard, hasEnded } from './board.ts'
import { type Bringing, bring } from './bring.ts'
import { keepUnpacked } from './here.ts'
import { keepUp, leaseOf, leave, letGo, type PullLease, take } from './lease.ts'
import { type StoredPull, type StoredPulls, storedPulls } from './stored.ts'

/** A pull on its way. */
interface Errand {
  readonly pull: StoredPull
  readonly board: Board
  readonly control: AbortController
  /** resolves when it has ended and said so */
  readonly over: Promise<void>
}

/** All pulls of a node. */
export interface Pulls extends AsyncDisposable {
  /** The ticket of a pull of this, already on its way or begun now. */
  start(input: PullInput): Promise<string>
  /** Where a pull stands; undefined when there is none of that ticket. */
  status(ticket: string): PullStatus | undefined
  /** The board of a pull on its way. */
  board(ticket: string): Board | undefined
  /** Newest first. */
  list(): StoredPull[]
  /** Stop one; resolves when it has cleaned up. Fails with not_found, or failed_precondition when it has ended. */
  cancel(ticket: string): Promise<void>
  /** Go on with what an earlier run of the node left on its way. */
  resume(): void
}

export interface PullsComponents {
  readonly bringing: Bringing
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  /** s that the lease of a pull lasts, renewed while the pull runs */
  readonly leaseSeconds: number
  /** Told of every board that comes into being, to be watched as long as it lasts. */
  readonly onBoard: (ticket: string, board: Board, options: { signal: AbortSignal }) => void
}

/** Ended pulls that are remembered. */
const remembered = 100

/** What a stop of the node aborts pulls with: they are neither failed nor cancelled, and go on when it is up again. */
const stopping = new Failure('cancelled', 'the node stops')

export function pulls(components: PullsComponents): Pulls {
  const { tables, outbox } = components
  const stored = storedPulls(tables)
  const errands = new Map<string, Errand>()

  const begin = (pull: StoredPull, known: Promise<void>) => {
    const board = emptyBoard()
    const control = new AbortController()
    const over = known
      .then(() => {
        // nothing is told of a pull before it is stored
        components.onBoard(pull.ticket, board, { signal: control.signal })
        return run(components, stored, { pull, board, signal: control.signal })
      })
      .then((end) => (end ? finish(components, stored, { ...without(pull), ...end }, board.steps) : undefined))
      .then((end) => {
        if (end) board.enter(end.state, end.digest)
      })
      .finally(() => errands.delete(pull.ticket))
    over.catch((error: unknown) =>
      components.bringing.asks.log.error({ err: error, ticket: pull.ticket }, 'how a pull ended could not be stored'),
    )
    errands.set(pull.ticket, { pull, board, control, over })
  }

  return {
    async start(input) {
      const same = [...errands.values()].find(({ pull }) => keyOf(pull) === keyOf(input) && isAsFresh(pull, input))
      if (same) return same.pull.ticket
      const ticket = randomUUID()
      const startedAt = new Date().toISOString()
      const pull: StoredPull = { ...input, ticket, state: 'resolving', lease: leaseOf(ticket), startedAt }
      const known = tables.transaction(() => {
        stored.put(pull)
        outbox.put({ actor: 'pull', fact: 'started', entity: pull.ticket, data: { ticket: pull.ticket, reference: pull.reference } })
      })
      begin(pull, known)
      await known
      return pull.ticket
    },
    status(ticket) {
      const errand = errands.get(ticket)
      if (!errand) return stored.get(ticket)
      const { state, digest, resolved, steps } = errand.board
      return { ...errand.pull, state, ...(digest && { digest }), ...(resolved && { resolved }), steps: [...steps] }
    },
    board: (ticket) => errands.get(ticket)?.board,
    list: () => stored.all().toSorted((a, b) => b.startedAt.localeCompare(a.startedAt)),
    async cancel(ticket) {
      const errand = errands.get(ticket)
      if (!errand && stored.get(ticket)) throw new Failure('failed_precondition', `cancel pull ${ticket}: it has ended`)
      if (!errand) throw new Failure('not_found', `cancel pull ${ticket}: there is none of this ticket`)
      errand.control.abort(new Failure('cancelled', `${errand.pull.here ? 'unpack' : 'pull'} ${errand.pull.reference}: it was cancelled`))
      await errand.over
    },
    resume() {
      for (const pull of stored.all()) if (!hasEnded(pull.state)) begin(pull, Promise.resolve())
    },
    async [Symbol.asyncDispose]() {
      const left = [...errands.values()]
      for (const errand of left) errand.control.abort(stopping)
      await Promise.allSettled(left.map((errand) => errand.over))
    },
  }
}

/** Pulls with the same key bring the same. */
const keyOf = (input: PullInput): string =>
  JSON.stringify([input.reference, formatPlatform(input.platform), input.driver ?? null, input.unpack, input.here === true])

const isAsFresh = ({ wanted: one = {} }: PullInput, { wanted: other = {} }: PullInput): boolean =>
  one.maxAgeMs === other.maxAgeMs && one.staleIfErrorMs === other.staleIfErrorMs && one.requireUpstream === other.requireUpstream

type End = Pick<StoredPull, 'state' | 'digest' | 'why' | 'lease' | 'resolved'>

interface RunOptions {
  readonly pull: StoredPull
  readonly board: Board
  readonly signal: AbortSignal
}

/**
 * Run a pull to its end, under its lease; undefined when the node stopped meanwhile. The lease of a pull that brought its image has ended when this resolves, and with it
 * those that earlier ones of the same left; otherwise it lasts on, if it holds anything.
 */
async function run(components: PullsComponents, stored: StoredPulls, options: RunOptions): Promise<End | undefined> {
  const { asks } = components.bringing
  const lease: PullLease = { id: leaseOf(options.pull.ticket), seconds: components.leaseSeconds }
  const over = new AbortController()
  const keeping = keepUp(asks, lease, { signal: over.signal })
  const end = await bringImage(components, { ...options, lease })
  over.abort()
  await keeping
  if (!end) return undefined
  if (end.state !== 'done') return (await leave(asks, lease)) ? { ...end, lease: lease.id } : end
  const ids = [lease.id, ...earlier(stored, options.pull).flatMap(({ lease }) => lease ?? [])]
  await Promise.all(ids.map((id) => letGo(asks, id)))
  return end
}

/** Pulls of the same that ended without the image and left a lease. */
const earlier = (stored: StoredPulls, pull: StoredPull): StoredPull[] =>
  stored.all().filter((one) => one.lease && hasEnded(one.state) && keyOf(one) === keyOf(pull))

/** A pull whose lease has ended. */
const without = ({ lease: _, ...pull }: StoredPull): StoredPull => pull

/** Resolve, bring, record. Every step has ended, and cleaned up, when this resolves. */
async function bringImage(
  { bringing }: PullsComponents,
  { pull, board, lease, signal }: RunOptions & { lease: PullLease },
): Promise<End | undefined> {
  const { asks } = bringing
  const steps: Promise<unknown>[] = []
  const step = <T>(work: Promise<T>): Promise<T> => {
    steps.push(work)
    return work
  }
  const machine = pullMachine.provide({
    actors: {
      resolve: fromPromise(({ input, signal }) => {
        const taken = step(asks.persist(() => take(asks, lease, input.reference, { signal }), { signal }))
        taken.catch(() => {})
        const resolved = asks.persist(() => resolve(asks, input, { board, signal }), { signal })
        return step(resolved.then((found) => taken.then(() => found)))
      }),
      bring: fromPromise(({ input, signal }) => {
        board.enter('fetching', input.resolved.descriptor.digest)
        return step(bring(bringing, input, { board, lease, signal }))
      }),
      record: fromPromise(({ input, signal }) => {
        board.enter('recording')
        return step(asks.persist(() => record(asks, input, { signal, timeoutMs: registryMs }), { signal }))
      }),
    },
  })
  try {
    const { why, resolved } = await runErrand(machine, { input: pull, signal })
    if (why) throw why
    return { state: 'done', digest: resolved?.descriptor.digest, ...(board.resolved && { resolved: board.resolved }) }
  } catch (error) {
    if (signal.reason === stopping) return undefined
    const why = about(signal.aborted ? signal.reason : error, `${pull.here ? 'unpack' : 'pull'} ${pull.reference}`, pull.reference)
    asks.log.warn({ err: why, ticket: pull.ticket, reference: pull.reference }, 'a pull ended without its image')
    return {
      state: isFailure(why, 'cancelled') ? 'cancelled' : 'failed',
      digest: board.digest,
      ...(board.resolved && { resolved: board.resolved }),
      why: { code: why.code, message: why.message },
    }
  } finally {
    await Promise.allSettled(steps)
  }
}

/** What the reference names: to the cluster, or, when no registry is to be asked, here. */
async function resolve(
  asks: Asks,
  { reference, wanted, here }: PullInput,
  { board, signal }: { board: Board; signal: AbortSignal },
): Promise<Resolved> {
  if (here) {
    const { name, target } = await asks.image.get({ name: reference }, { signal })
    return { name, descriptor: target }
  }
  const { name, descriptor, ...how } = await asks.tag.resolve({ reference, ...wanted }, { signal, timeoutMs: registryMs })
  board.answered(how)
  return { name, descriptor }
}

async function record(
  asks: Asks,
  { input, resolved, brought }: { input: PullInput; resolved: Resolved; brought: Brought },
  options: { signal: AbortSignal; timeoutMs: number },
): Promise<void> {
  const { name, descriptor: target } = resolved
  const { manifest, config, platform } = brought
  const parts = [...brought.parts]
  if (input.here) await keepUnpacked(asks, { name, target, parts }, options)
  else await asks.image.put({ name, target, manifest, config, platform, parts, labels: {} }, options)
}

/** A registry may ask for patience, and be given it. */
const registryMs = 120_000

/** Store how it ended, tell it, and forget the oldest. */
async function finish(
  { tables, outbox }: PullsComponents,
  stored: StoredPulls,
  pull: StoredPull,
  steps: PullStatus['steps'],
): Promise<StoredPull> {
  const ended: StoredPull = { ...pull, finishedAt: new Date().toISOString() }
  const { ticket, reference, digest, why } = ended
  await tables.transaction(() => {
    stored.put(ended, steps)
    if (ended.state === 'done') outbox.put({ actor: 'pull', fact: 'finished', entity: ticket, data: { ticket, reference, digest } })
    else outbox.put({ actor: 'pull', fact: 'failed', entity: ticket, data: { ticket, reference, why } })
    const old = stored.all().filter((one) => hasEnded(one.state))
    const tooMany = old.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt)).slice(remembered)
    for (const one of tooMany) stored.remove(one.ticket)
    if (ended.state === 'done') for (const one of earlier(stored, ended)) stored.put(without(one))
  })
  return ended
}
