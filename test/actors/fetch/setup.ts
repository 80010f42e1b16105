import { openPatience } from '../../../actors/fetch/patience.ts'
import { openRegistries, type Registries, type Retry } from '../../../actors/fetch/registry.ts'
import { openTokens } from '../../../actors/fetch/token.ts'
import { openTransport, type TransportInit } from '../../../actors/fetch/transport.ts'
import { isFailure } from '../../../messages/grammar/index.ts'

/** Tries three times, at once. */
const hasty: Retry = async (work, { signal }) => {
  for (let left = 2; ; left--) {
    try {
      return await work()
    } catch (error) {
      if (left === 0 || signal.aborted || !isFailure(error, 'unavailable', 'resource_exhausted', 'deadline_exceeded')) throw error
    }
  }
}

/** The way to registries as the actor has it, without its patience. */
export function openWay(init: TransportInit & { retry?: Retry; now?: () => number } = {}): { registries: Registries } & AsyncDisposable {
  const { retry = hasty, now = Date.now } = init
  const transport = openTransport(init)
  const tokens = openTokens({ transport, now })
  const patience = openPatience({ now })
  const registries = openRegistries({ transport, tokens, retry, patience, throttled: () => {}, now })
  return { registries, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() }
}

/** For what nobody gives up. */
export const never = { signal: new AbortController().signal }

/** What a promise fails with: its code and message. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isFailure(error)) throw new Error('it did not fail with a Failure', { cause: error })
  return { code: error.code, message: error.message }
}
