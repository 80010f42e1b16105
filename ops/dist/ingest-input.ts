import { isFailure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { lentTaker, lentWriter } from '../command/lent-taker.ts'
import type { Session } from '../command/session.ts'
import { copy, type Input } from './copy.ts'
import { type Ingests, openIngest, type Wanted } from './open-ingest.ts'
import { sendingTaker } from './sending-taker.ts'

/** A large blob is hashed to its end, and synced, before it is content. */
const commitMs = 600_000

/** What is to become a blob. */
export type Blob = Omit<Wanted, 'writer'>

/** Bring bytes into the store, and see it become content. What came stays when it fails, to be gone on with; already_exists says the digest in its details. */
export async function ingestInput({ ask, here, signal }: Session, input: Input, blob: Blob) {
  const store = ask<typeof ingest>('ingest')
  const { wanted, grant, lent } = (here && (await openHere(store, blob))) || (await openElsewhere(store, blob))
  try {
    const again = wanted.expected === undefined ? undefined : async () => await store.open({ ...wanted, token: grant.token })
    await using taker = lent ? lentTaker(store, grant, { signal, again }) : sendingTaker(store, wanted, grant, { signal })
    await copy(input, taker, wanted, { signal })
  } catch (error) {
    // what has come stays, to be gone on with
    await store.close({ token: grant.token }, { signal: undefined }).catch(() => {})
    throw error
  }
  const { total: size, expected } = wanted
  const claim = { ...(size !== undefined && { size }), ...(expected !== undefined && { digest: expected }) }
  try {
    return await store.commit({ token: grant.token, ...claim }, { timeoutMs: commitMs })
  } catch (error) {
    if (!lent && grant.offset > 0 && isFailure(error, 'failed_precondition')) await startOver(store, wanted)
    throw error
  }
}

/** Undefined when the node does not see this process: it is in a container, say, with the node's files. */
async function openHere(store: Ingests, blob: Blob) {
  const wanted: Wanted = { ...blob, writer: await lentWriter() }
  try {
    return { wanted, grant: await openIngest(store, wanted), lent: true }
  } catch (error) {
    if (isFailure(error, 'failed_precondition') && error.details?.['reason'] === 'writer') return undefined
    throw error
  }
}

async function openElsewhere(store: Ingests, blob: Blob) {
  const wanted: Wanted = { ...blob, writer: 'elsewhere' }
  return { wanted, grant: await openIngest(store, wanted), lent: false }
}

/** What lay there could not be compared with the input, and may be what is wrong: the next time begins anew. */
async function startOver(store: Ingests, wanted: Wanted): Promise<void> {
  const { token } = await store.open(wanted)
  await store.truncate({ token })
  await store.close({ token })
}
