import { type Code, Failure } from '../../messages/grammar/index.ts'
import { redacted } from './addresses.ts'
import { headerOf, type Response } from './transport.ts'

/** What an HTTP status asks of the caller. 5xx not listed is unavailable, 4xx not listed invalid_argument, anything else unimplemented. */
const codes: Readonly<Record<number, Code>> = {
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  406: 'unimplemented',
  408: 'deadline_exceeded',
  410: 'not_found',
  415: 'unimplemented',
  416: 'out_of_range',
  429: 'resource_exhausted',
  451: 'permission_denied',
  501: 'unimplemented',
  504: 'deadline_exceeded',
}

/**
 * The failure an answer that is none comes to; the one mapping from HTTP. `details` has the status, and how long to wait when the registry
 * says so. The registry's own words, if any, are part of the message. Uses the body up.
 */
export async function refusal(response: Response, url: URL, method: string, attempted: string): Promise<Failure> {
  const { status } = response
  const code = codes[status] ?? (status >= 500 ? 'unavailable' : status >= 400 ? 'invalid_argument' : 'unimplemented')
  const words = await diagnosis(response)
  const retryAfterMs = retryAfter(headerOf(response, 'retry-after'))
  const details = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  return new Failure(code, `${attempted}: ${method} ${redacted(url)} answered ${status}${words && ` (${words})`}`, { details })
}

/** Status of the answer a failure came from. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof Failure && typeof error.details?.['status'] === 'number' ? error.details['status'] : undefined

/** Seconds, or a date. Undefined when absent or neither. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const milliseconds = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds)
}

/** Most bytes of an error body that are looked at, and most characters of it that are told. */
const looked = 16 * 1024
const told = 300

/** `CODE: message` of each error in the body (distribution spec, "Error codes"); empty when there is none. */
async function diagnosis(response: Response): Promise<string> {
  const text = await beginning(response)
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown }
    const words = (Array.isArray(errors) ? errors : []).map((one: { code?: unknown; message?: unknown } | null) =>
      [one?.code, one?.message].filter((part) => typeof part === 'string' && part !== '').join(': '),
    )
    // Whoever reads this may be a terminal: nothing that could steer one.
    return words
      .join(', ')
      .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
      .slice(0, told)
  } catch {
    return ''
  }
}

async function beginning(response: Response): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  const enough = new Error('enough')
  try {
    await response.read((piece) => {
      pieces.push(piece)
      if ((size += piece.length) >= looked) throw enough
    })
  } catch {
    // The status is the answer; words that do not arrive are not missed.
  } finally {
    response.discard()
  }
  return Buffer.concat(pieces).toString('utf8', 0, looked)
}
