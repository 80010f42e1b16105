import type { fetch } from '../../messages/fetch.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { type Gained, type Holding, pieceSize } from '../../messages/swarm.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import { given } from '../../runtime/given.ts'
import { pace } from '../../runtime/pace.ts'
import { retry } from '../../runtime/retry.ts'
import type { Claims } from './claims.ts'
import { openPieceFile, type PieceFile } from './file.ts'
import { openOrigin } from './origin.ts'
import { boundsOf } from './pieces.ts'
import type { Room } from './room.ts'
import { openShare, type Share, vouch } from './share.ts'
import { openTakes, type TakesComponents } from './takes.ts'

/** What is brought, and where it is to go. */
export interface BringRequest {
  readonly name: string
  readonly descriptor: Descriptor
  readonly token: string
  readonly path: string
  readonly offset: number
}

export interface TransferComponents extends Pick<TakesComponents, 'now' | 'random' | 'patienceMs'> {
  /** Somebody sent, or vouched for, what is not so. */
  readonly blame: (digest: string, sender: string, piece: number | undefined, why: string) => void
  readonly node: string
  /** Meet the others who share a blob; what they tell is heard. */
  readonly enter: (digest: string, heard: (gained: Gained) => void) => Promise<Room>
  /** Called when the bus is back. */
  readonly onConnected: (listener: () => void) => Disposable
  readonly fetch: Pick<Client<typeof fetch>, 'blob'>
  readonly ingest: Pick<Client<typeof ingest>, 'advance'>
  /** Ask another node for bytes of a blob. */
  readonly read: (
    node: string,
    range: { digest: string; offset: number; length: number },
    options: { signal: AbortSignal },
  ) => Promise<Uint8Array>
  /** Of a blob; whether a node is gone is asked of it. */
  readonly claims: (digest: string, options: { gone: (node: string) => boolean }) => Claims
}

/** How far it is, and where from. */
export interface Brought {
  readonly offset: number
  readonly sources: { readonly origin: number; readonly peers: Readonly<Record<string, number>> }
}

/** One blob on its way to this node, and from it to others. It serves what it has until disposed of, also once it is whole. */
export interface Transfer extends AsyncDisposable {
  readonly size: number
  /** What others can have of it. */
  holding(): Holding
  /** Bytes of it, within pieces that can be checked. Fails with not_found when they are not here. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Bring it, once; yields how far it is now and then, and in the end where it all came from. */
  run(options: { signal: AbortSignal }): AsyncIterable<Brought>
}

/** ms others have to answer before the registry is asked */
const answerMs = 250
/** ms between two words on how far it is */
const tellingMs = 50

/** Begin to share a blob: from now on others who ask in its room hear of it. */
export async function openTransfer(components: TransferComponents, request: BringRequest): Promise<Transfer> {
  const { node, now } = components
  const { digest, size } = request.descriptor
  await using stack = new AsyncDisposableStack()
  const share = openShare({ digest, size, node, now })
  const telling = toldOf(components, request)
  const file = stack.use(await openPieceFile({ ...request, size, here: share.here.has, grown: telling.reached }))
  const room = stack.use(await components.enter(digest, share.heard))
  stack.defer(() => room.tell({ left: true }))
  const whole = Math.floor(request.offset / pieceSize)
  for (let piece = 0; piece < whole; piece++) share.here.add(piece)
  if (request.offset >= size) for (let piece = whole; piece < share.here.count; piece++) share.here.add(piece)
  const kept = stack.move()
  return {
    size,
    holding: share.holding,
    async read(offset, length) {
      const piece = Math.floor(offset / pieceSize)
      const { start, end } = boundsOf(piece, size)
      if (!share.here.has(piece) || !share.map.knows(piece) || offset + length > end)
        throw new Failure('not_found', `read ${length} bytes at ${offset} of ${digest}: they are not here yet`)
      return await file.read(piece, offset - start, length)
    },
    run: (options) => run({ components, request, share, file, room, telling }, options),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

interface Running {
  readonly components: TransferComponents
  readonly request: BringRequest
  readonly share: Share
  readonly file: PieceFile
  readonly room: Room
  readonly telling: Telling
}

async function* run(running: Running, { signal }: { signal: AbortSignal }): AsyncGenerator<Brought> {
  const { components, request, share, file, room, telling } = running
  const { here, peers, sources } = share
  const stop = new AbortController()
  const leaving = AbortSignal.any([signal, stop.signal])
  let broken: unknown
  const breaks = (error: unknown): void => {
    broken ??= error
    share.wake()
  }
  telling.failed(breaks)

  async function land(piece: number, bytes: Uint8Array, from: string): Promise<void> {
    try {
      await file.write(piece, bytes)
      here.add(piece)
      sources.peers[from] = (sources.peers[from] ?? 0) + bytes.length
      await file.settle()
      room.tell({ piece, sha256: share.map.hash(piece) })
    } catch (error) {
      breaks(error)
    }
  }
  function landed(piece: number, sha256: Uint8Array<ArrayBuffer>): void {
    here.add(piece)
    room.tell({ piece, sha256 })
    share.wake()
  }

  const claims = components.claims(share.digest, { gone: peers.isLost })
  await using stack = new AsyncDisposableStack()
  const read: TakesComponents['read'] = (node, range, options) => components.read(node, { digest: share.digest, ...range }, options)
  const blame: TakesComponents['blame'] = (...about) => components.blame(share.digest, ...about)
  const takes = stack.use(openTakes(share, { ...components, read, land, blame }))
  const origin = stack.use(openOrigin(share, { ...components, claims, file, landed, blame }, request))
  stack.defer(() => stop.abort())
  stack.use(components.onConnected(meet))

  const answered = Promise.withResolvers<void>()
  function meet(): void {
    const asking = async (): Promise<void> => {
      for await (const holding of room.ask({ signal: leaving })) {
        share.met(holding)
        answered.resolve()
      }
    }
    asking()
      .catch(() => {})
      .finally(answered.resolve)
  }
  meet()
  room.tell({})
  void vouchForBeginning(running, leaving).catch(breaks)
  await given(signal, Promise.race([answered.promise, timeout(answerMs, stop.signal)]))

  const hopeless = (): boolean =>
    origin.why !== undefined && !origin.reading && !origin.waiting && takes.running === 0 && !share.some((piece) => peers.copies(piece) > 0)
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
  room.tell({ complete: true })
  yield { offset: file.prefix, sources }
}

/** What was here before: others may have it too, once it is known what it hashes to. */
async function vouchForBeginning({ share, file, room, request }: Running, signal: AbortSignal): Promise<void> {
  for (let piece = 0; piece < Math.floor(request.offset / pieceSize); piece++) {
    if (signal.aborted) return
    room.tell({ piece, sha256: vouch(share, piece, await file.read(piece)) })
  }
}

interface Telling {
  reached(offset: number): void
  settle(): Promise<void>
  failed(listener: (error: unknown) => void): void
}

/** Tell ingest how far its file is written. */
function toldOf({ ingest }: TransferComponents, { token, offset: from }: BringRequest): Telling {
  let listener: (error: unknown) => void = () => {}
  const tell = async (offset: number): Promise<void> =>
    void (await retry(async () => await ingest.advance({ token, offset }), { tries: 3 }))
  const paced = pace({ tell, failed: (error) => listener(lost(error)) }, { step: pieceSize, intervalMs: tellingMs })
  return {
    reached: (offset) => offset > from && paced.reached(offset),
    settle: () => paced.settle(),
    failed: (heard) => void (listener = heard),
  }
}

/** The ingest no longer being there is not the registry's "not found". */
function lost(error: unknown): Failure {
  const { code, message } = Failure.from(error)
  return new Failure(
    code === 'not_found' || code === 'out_of_range' ? 'failed_precondition' : code,
    `bring a blob: its ingest does not go on: ${message}`,
    {
      cause: error,
    },
  )
}

const now = (): number => performance.now()

const timeout = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => clearTimeout(timer))
  })
