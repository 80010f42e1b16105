/** What stands in the headers of our packets, beside Content-Type. */
import { type Code, Failure, type FailureData } from '../../messages/grammar/index.ts'
import type { Packet } from './bus.ts'
import { decode, type Encoding, encode, encodingHeaders } from './codec.ts'

export const header = {
  /** id of a request; what a cancellation names */
  call: 'Gantry-Call',
  /** ms the caller will wait */
  timeout: 'Gantry-Timeout',
  /** in a request: ms of silence after which a feed must say that it lives; in a reply: this is such a sign, not the end */
  heartbeat: 'Gantry-Heartbeat',
  /** in a request for a feed: items that may be on their way before the reader has said that it took some */
  window: 'Gantry-Window',
  /** node a reply comes from */
  node: 'Gantry-Node',
  trace: 'traceparent',
  /** text and number of a failure, where the services tools of NATS look for them */
  error: 'Nats-Service-Error',
  errorCode: 'Nats-Service-Error-Code',
} as const

/** The number of a failure, for tools that want one: the nearest of HTTP. */
export const numbers: Readonly<Record<Code, number>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 412,
  out_of_range: 416,
  data_loss: 422,
  resource_exhausted: 429,
  cancelled: 499,
  internal: 500,
  unimplemented: 501,
  unavailable: 503,
  deadline_exceeded: 504,
}

/** A failure as a packet: in the headers for tools, in the body for everybody. */
export function failurePacket(failure: Failure, encoding: Encoding, headers: Readonly<Record<string, string>> = {}): Packet {
  return {
    headers: {
      ...headers,
      ...encodingHeaders(encoding),
      [header.error]: failure.message
        .replaceAll(/[\s\p{Cc}]+/gu, ' ')
        .slice(0, 1_024)
        .toWellFormed(),
      [header.errorCode]: String(numbers[failure.code]),
    },
    payload: encode({ error: failure.toJSON() }, encoding),
  }
}

/** The value of a reply; throws the failure when it is one. */
export function replyOf(packet: Packet): unknown {
  const value = decode(packet)
  if (packet.headers[header.errorCode] === undefined) return value
  throw Failure.fromData((value as { error: FailureData }).error)
}
