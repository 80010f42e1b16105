/** What the stream of the facts says of itself, asked by plain requests: who only tells facts does not load the JetStream library. */
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { isNobody } from './packet.ts'

/** `GANTRY_EVENTS` for the root `gantry`. */
export const streamName = (root: string): string => `${root.replaceAll('.', '_').toUpperCase()}_EVENTS`

/** ms JetStream has to answer */
export const patience = 5_000

/** The stream as it is. */
export interface StreamState {
  readonly config: { readonly subjects: readonly string[] }
  readonly state: { readonly last_seq: number }
}

/** Undefined when there is none for us. Fails with unavailable when JetStream does not answer. */
export const streamState = (bus: Bus, options: { signal: AbortSignal | undefined }): Promise<StreamState | undefined> =>
  ask<StreamState>(bus, 'INFO', {}, options.signal)

/** A message of the stream. */
export interface Stored {
  readonly seq: number
  /** as they travel, in base64 */
  readonly hdrs?: string
}

/** Which message: the first on a subject from a place on, or the last one. The subject may be a pattern. */
export type Which = { readonly seq: number; readonly next_by_subj: string } | { readonly last_by_subj: string }

/** Undefined when there is none, or none for us. Fails with unavailable when JetStream does not answer. */
export async function storedMessage(bus: Bus, which: Which, options: { signal: AbortSignal | undefined }): Promise<Stored | undefined> {
  return (await ask<{ message: Stored }>(bus, 'MSG.GET', which, options.signal))?.message
}

async function ask<Answer>(bus: Bus, what: string, question: object, signal: AbortSignal | undefined): Promise<Answer | undefined> {
  const name = streamName(bus.root)
  const packet = { headers: {}, payload: Buffer.from(JSON.stringify(question)) }
  try {
    const { payload } = await bus.request(`$JS.API.STREAM.${what}.${name}`, packet, { timeoutMs: patience, signal })
    const answer = JSON.parse(Buffer.from(payload).toString()) as Answer & { error?: ApiError }
    if (!answer.error) return answer
    if (answer.error.code === notThere || answer.error.err_code === notForUs) return undefined
    throw new Failure('unavailable', `ask for ${what} of ${name}: ${answer.error.description}`)
  } catch (error) {
    if (isNobody(error)) return undefined
    if (isFailure(error, 'deadline_exceeded')) throw new Failure('unavailable', error.message, { cause: error })
    throw error
  }
}

interface ApiError {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

/** No such stream, or no such message. */
const notThere = 404
/** JetStream is not enabled for the account. */
const notForUs = 10039
