import { randomUUID } from 'node:crypto'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Step } from '../../messages/pull.ts'
import type { Descriptor, Digest, Labels } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'
import { addLabels, broughtLabels } from './labels.ts'
import type { From } from './source.ts'

/** What is told of a blob on its way. */
export type BlobProgress = Pick<Step, 'status' | 'offset'>

/** One blob to bring. */
export interface BlobRequest {
  /** the reference it is fetched by */
  readonly name: string
  readonly descriptor: Descriptor
  /** holds it, from the first byte on */
  readonly lease: string
  /** Whether others pull the same at the moment. */
  readonly company?: boolean | undefined
  /** It is here, and held, unless it was removed since. */
  readonly here?: boolean | undefined
  /** Tokens of ingests that this node's pulls hold, by digest. One that could not be given back, because the bus was away, is given back before the next try. */
  readonly tokens: Map<Digest, string>
}

interface BlobOptions {
  readonly signal: AbortSignal
  /** Called with every step forward. The first call means that the blob can be followed in ingest, or is content already. */
  readonly report: (progress: BlobProgress) => void
}

/**
 * Bring one blob from other nodes or the registry into content, from the byte it is at. Resolves once it is content, whoever brought it, held by the lease, and says where it is from. Never
 * runs twice at once for one digest. A blob that is not what its descriptor says is thrown away (data_loss), and when other nodes had a part in it brought once more, from the registry alone; given up or cut off otherwise, its bytes stay to be gone on with.
 */
export async function bringBlob(asks: Asks, request: BlobRequest, { signal, report }: BlobOptions): Promise<void> {
  const { digest, size } = request.descriptor
  const labels = broughtLabels(request)
  if (request.here && (await isLabelled(asks, digest, labels, { signal }))) return report({ status: 'exists', offset: size })
  if (size <= smallBytes) return await bringSmall(asks, request, { signal, report })
  if ((await bringLarge(asks, request, request.company ? 'company' : 'anybody', { signal, report })) === 'spoilt')
    await bringLarge(asks, request, 'registry', { signal, report })
}

/** Bring a blob that has an ingest of its own. Spoilt: it was not what its descriptor says, but others had a part in it; it is thrown away. */
async function bringLarge(asks: Asks, request: BlobRequest, from: From, { signal, report }: BlobOptions): Promise<'whole' | 'spoilt'> {
  const { name, descriptor, lease, tokens } = request
  const { digest, size } = descriptor
  const labels = broughtLabels(request)
  const left = tokens.get(digest)
  if (left) await giveBack(asks, { token: left })
  // of our own making, so that it is known even when the answer to open is lost with the bus
  const token = randomUUID()
  tokens.set(digest, token)
  const lent = await open(asks, { descriptor, lease, token }, { signal, report })
  if (!lent) {
    tokens.delete(digest)
    await addLabels(asks, digest, labels, { signal })
    report({ status: 'exists', offset: size })
    return 'whole'
  }
  let end: 'committed' | 'damaged' | 'cut off' = 'cut off'
  let shared = false
  try {
    report({ status: 'downloading', offset: lent.offset })
    for await (const reached of asks.source.blob({ name, descriptor, token, path: lent.path, offset: lent.offset }, from, { signal })) {
      shared = reached.shared
      report({ status: 'downloading', offset: reached.offset })
    }
    report({ status: 'verifying', offset: size })
    await asks.ingest.commit({ token, size, digest, labels }, { signal, timeoutMs: verifyingMs })
    end = 'committed'
  } catch (error) {
    if (isFailure(error, 'data_loss') || isWrong(error)) end = 'damaged'
    if (end === 'damaged' && shared && !signal.aborted) return 'spoilt'
    if (!isFailure(error, 'already_exists')) throw isWrong(error) ? new Failure('data_loss', error.message, { cause: error }) : error
    end = 'committed'
    await addLabels(asks, digest, labels, { signal })
  } finally {
    await finish(asks, { digest, token, end }).then(
      () => tokens.delete(digest),
      (error: unknown) => asks.log.warn({ err: error, digest }, 'an ingest could not be given back yet'),
    )
  }
  return 'whole'
}

/** What is fetched before its ingest would be open: a message carries it, and nobody watches it grow. */
const smallBytes = 64 * 1024

/** Bring a small blob in two messages. Cut off, there is nothing of it to go on with. */
async function bringSmall(asks: Asks, request: BlobRequest, { signal, report }: BlobOptions): Promise<void> {
  const { name, descriptor, lease } = request
  const { digest, size } = descriptor
  const labels = broughtLabels(request)
  const bytes = await asks.source.object({ name, descriptor }, { signal })
  try {
    await asks.ingest.put({ digest, bytes, labels, lease }, { signal, timeoutMs: verifyingMs })
  } catch (error) {
    if (!isFailure(error, 'already_exists')) throw error
    await addLabels(asks, digest, labels, { signal })
  }
  report({ status: 'verifying', offset: size })
}

/** Whether it is here; then it has said of it what it lacked. */
async function isLabelled(asks: Asks, digest: Digest, labels: Labels, options: { signal: AbortSignal }): Promise<boolean> {
  try {
    await addLabels(asks, digest, labels, options)
    return true
  } catch (error) {
    if (isFailure(error, 'not_found')) return false
    throw error
  }
}

/** Whether what is on disk is not what the descriptor says. */
const isWrong = (error: unknown): error is Failure =>
  isFailure(error, 'failed_precondition') && ['size', 'digest'].includes(String(error.details?.['reason']))

/** Neither given up with the pull nor failing it: the pull has a failure of its own to tell. */
async function finish(
  asks: Asks,
  { digest, token, end }: { digest: Digest; token: string; end: 'committed' | 'damaged' | 'cut off' },
): Promise<void> {
  if (end === 'cut off') return await giveBack(asks, { token })
  if (end === 'damaged') await unlessGone(asks.ingest.abort({ reference: digest, token }))
}

const giveBack = (asks: Asks, { token }: { token: string }): Promise<void> => unlessGone(asks.ingest.close({ token }))

/** That it is not held any more is what was wanted. */
async function unlessGone(work: PromiseLike<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
  }
}

/** Hashing what is left of a large blob on a slow disk may take a while. */
const verifyingMs = 600_000

/**
 * The lent file, or undefined when the blob is, or has become, content. While somebody else has the ingest this follows it, and
 * tries again when it ends, so that nothing is fetched twice.
 */
async function open(
  asks: Asks,
  { descriptor, lease, token }: Pick<BlobRequest, 'descriptor' | 'lease'> & { token: string },
  { signal, report }: BlobOptions,
) {
  const { digest, size } = descriptor
  while (true) {
    try {
      return await asks.ingest.open({ reference: digest, expected: digest, total: size, lease, token }, { signal })
    } catch (error) {
      if (isFailure(error, 'already_exists')) return undefined
      if (!isFailure(error, 'unavailable') || !error.details?.['holder']) throw error
    }
    try {
      for await (const { state, offset } of asks.ingest.follow({ reference: digest }, { signal })) {
        report({ status: 'waiting', offset })
        // nobody writes it any more: it is ours to go on with
        if (state === 'closed') break
      }
      // it is content now, and opening it once more has it held
    } catch (error) {
      if (!isFailure(error, 'not_found', 'data_loss')) throw error
    }
  }
}
