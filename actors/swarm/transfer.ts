import type { fetch } from '../../messages/fetch.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { type Gained, type Holding, pieceSize } from '../../messages/swarm.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import { given } from '../../runtime/given.ts'
import type { Claims, ClaimsInit } from './claims.ts'
import { openPieceFile, type PieceFile } from './file.ts'
import type { Memory, ReadOptions } from './memory.ts'
import { openOrigin } from './origin.ts'
import { boundsOf } from './pieces.ts'
import type { Room } from './room.ts'
import { openShare, type Share } from './share.ts'
import { openTakes, type TakesComponents } from './takes.ts'
import { tellIngest } from './telling.ts'
import type { Turns } from './turns.ts'
import { openVouching, type Vouching } from './vouching.ts'

/** What is brought, and where it is to go. */
export interface BringRequest {
  readonly name: string
  readonly descriptor: Descriptor
  readonly token: string
  readonly path: string
  readonly offset: number
}

export interface TransferComponents extends Pick<TakesComponents, 'gone' | 'now' | 'random' | 'patienceMs'> {
  readonly node: string
  /** Somebody sent, or said, what is not so. */
  readonly blame: (digest: string, node: string, piece: number | undefined, why: string) => void
  /** Whether what a node says counts for nothing. */
  readonly distrusted: (node: string) => boolean
  /** A file for what comes before its turn. */
  readonly beside: () => string
  /** Meet the others who share a blob; what they tell is heard. */
  readonly enter: (digest: string, heard: (gained: Gained) => void) => Promise<Room>
  /** Called when the bus is back. */
  readonly onConnected: (listener: () => void) => Disposable
  readonly memory: Memory
  readonly turns: Turns
  readonly fetch: Pick<Client<typeof fetch>, 'blob'>
  readonly ingest: Pick<Client<typeof ingest>, 'advance'>
  /** Ask another node for bytes of a blob. */
  readonly read: (node: string, range: { digest: string; offset: number; length: number }, options: ReadOptions) => Promise<Uint8Array>
  /** What a node has of a blob; undefined when it is not there. */
  readonly holding: (node: string, digest: string, options: { signal: AbortSignal }) => Promise<Holding | undefined>
  /** Of a blob. */
  readonly claims: (digest: string, seen: Pick<ClaimsInit, 'gone' | 'held'>) => Claims
}

/** How far it is, and where from. */
export interface Brought {
  readonly offset: number
  readonly sources: { readonly origin: number; readonly peers: Readonly<Record<string, number>> }
}

/** One blob on its way to this node, and from it to others. It serves what it has until disposed of, also while nobody brings it and once it is whole. */
export interface Transfer extends AsyncDisposable {
  readonly size: number
  /** Whether all of it is here. It need not be what its digest says. */
  readonly whole: boolean
  /** What others can have of it, for one of them. */
  holding(): Holding
  /** What its pieces hash to, as far as that is known. */
  map(): Uint8Array | undefined
  /** Those other than us on whose word its pieces were believed. */
  authors(): string[]
  /** Bytes of it, within pieces that can be checked. Fails with not_found when they are not here. */
  read(offset: number, length: number, options?: Pick<ReadOptions, 'into'>): Promise<Uint8Array>
  /**
   * Bring it into a lent file; yields how far it is now and then, and in the end where it all came from. Given up, it can be gone on with, in the same file or another: what was
   * gathered is not gathered again. Never twice at once. `asked` is called when the others have been asked, and before that nothing should answer them for us: nobody there is an answer at
   * once, our own is one that the others' have to be waited for after.
   */
  run(request: BringRequest, options: RunOptions): AsyncIterable<Brought>
}

interface RunOptions {
  readonly signal: AbortSignal
  readonly asked?: () => void
}

/** ms others have to answer before the registry is asked */
const answerMs = 250
/** ms between two words on how far it is */
const tellingMs = 50

/** Begin to share a blob: from now on what others tell of it is heard. */
export async function openTransfer(components: TransferComponents, { digest, size }: { digest: string; size: number }): Promise<Transfer> {
  const { node, now, distrusted, memory } = components
  await using stack = new AsyncDisposableStack()
  const leaving = new AbortController()
  stack.defer(() => leaving.abort())
  const again = (): void => void meet({ share, room }, leaving.signal)
  const blame = (...about: [node: string, piece: number, why: string]): void => {
    components.blame(digest, ...about)
    // What it said is not believed any more; others may say what is so.
    again()
  }
  // Who is heard while we enter is vouched for at the beginning of the run.
  let vouching: Vouching | undefined
  const joined = (): void => void vouching?.all().catch(() => {})
  const share = openShare({ digest, size, node, now, distrusted, blame, joined })
  const file = stack.use(openPieceFile({ size, here: share.here, beside: components.beside(), memory }))
  const heard = (gained: Gained): void => {
    share.heard(gained)
    // Who has all of it may have had it before we were there: what its pieces hash to it says when asked.
    if (gained.complete && share.some((piece) => !share.map.knows(piece))) again()
  }
  const room: Room = stack.use(await components.enter(digest, heard))
  const vouched = openVouching({ share, file, room, memory })
  vouching = vouched
  const kept = stack.move()
  return {
    size,
    get whole() {
      return share.here.held === share.here.count
    },
    holding: share.holding,
    map: share.map.bytes,
    authors: () => [...share.map.authors()].filter((author) => author !== node),
    async read(offset, length, { into } = {}) {
      const piece = Math.floor(offset / pieceSize)
      const { start, end } = boundsOf(piece, size)
      if (!share.offers(piece) || offset + length > end)
        throw new Failure('not_found', `read ${length} bytes at ${offset} of ${digest}: they are not here yet`)
      return await file.read(piece, { from: offset - start, length, into })
    },
    run: (request, options) => run({ components, request, share, file, room, vouching: vouched }, options),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

interface Running {
  readonly components: TransferComponents
  readonly request: BringRequest
  readonly share: Share
  readonly file: PieceFile
  readonly room: Room
  readonly vouching: Vouching
}

async function* run(running: Running, { signal, asked = () => {} }: RunOptions): AsyncGenerator<Brought> {
  signal.throwIfAborted()
  const { components, request, share, file, room, vouching } = running
  const { here, checked, peers, sources } = share
  const { now } = components
  await using stack = new AsyncDisposableStack()
  const stop = new AbortController()
  const leaving = AbortSignal.any([signal, stop.signal])
  let broken: unknown
  const breaks = (error: unknown): void => {
    broken ??= error
    share.wake()
  }
  const telling = tellIngest({ ingest: components.ingest, failed: breaks }, request)
  await file.goOn({ ...request, grown: telling.reached })
  for (let piece = 0; piece < here.count; piece++) if (!here.has(piece)) checked.drop(piece)

  async function land(piece: number, bytes: Uint8Array, from: string): Promise<void> {
    try {
      await file.write(piece, bytes)
      here.add(piece)
      checked.add(piece)
      sources.peers[from] = (sources.peers[from] ?? 0) + bytes.length
      room.tell({ piece, sha256: share.map.hash(piece) })
      await file.settle()
    } catch (error) {
      breaks(error)
    }
  }
  function landed(piece: number, sha256: Uint8Array<ArrayBuffer> | undefined): void {
    here.add(piece)
    if (sha256) room.tell({ piece, sha256 })
    else vouching.all().catch(breaks)
    share.wake()
  }

  const { digest } = share
  const claims = components.claims(digest, { gone: peers.isLost, held: here.bytes })
  const takes = stack.use(
    openTakes(share, { ...components, land, read: (other, range, options) => components.read(other, { digest, ...range }, options) }),
  )
  const holding = (other: string, options: { signal: AbortSignal }) => components.holding(other, digest, options)
  const origin = stack.use(openOrigin(share, { ...components, claims, file, landed, vouched: vouching.all, holding }, request))
  stack.defer(() => stop.abort())
  stack.use(components.onConnected(() => void meet(running, leaving)))

  const met = meet(running, leaving)
  asked()
  room.tell({})
  vouching.all().catch(breaks)
  await given(signal, Promise.race([met, timeout(answerMs, stop.signal)]))

  const hopeless = (): boolean =>
    origin.why !== undefined && !origin.reading && !origin.waiting && takes.running === 0 && !share.some(share.available)
  let told = 0
  while (here.held < here.count) {
    signal.throwIfAborted()
    if (broken !== undefined) throw broken
    takes.begin()
    origin.begin()
    if (hopeless()) throw origin.why
    await given(signal, share.changed())
    if (now() - told < tellingMs) continue
    told = now()
    yield { offset: file.prefix, sources }
  }
  await file.settle()
  await telling.settle()
  if (broken !== undefined) throw broken
  yield { offset: file.prefix, sources }
}

/** Ask who is there; resolves with the first answer, or when there is none. */
async function meet({ share, room }: Pick<Running, 'share' | 'room'>, signal: AbortSignal): Promise<void> {
  const first = Promise.withResolvers<void>()
  const asking = async (): Promise<void> => {
    for await (const holding of room.ask({ signal })) {
      share.met(holding)
      first.resolve()
    }
  }
  // The bus being away, or our leaving, is as if nobody were there.
  asking().catch(first.resolve).finally(first.resolve)
  await first.promise
}

const timeout = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => clearTimeout(timer))
  })
