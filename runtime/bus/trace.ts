/** Traces, as in W3C Trace Context: every message has one, and every log line its id. */
import { randomBytes } from 'node:crypto'

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** A new traceparent: a child of `parent` when that is one, the beginning of a trace otherwise. */
export function continueTrace(parent?: string): string {
  const [, trace, , flags] = parent?.match(pattern) ?? []
  const random = randomBytes(24).toString('hex')
  return `00-${trace ?? random.slice(16)}-${random.slice(0, 16)}-${flags ?? '01'}`
}

/** The trace id of a traceparent: what log lines carry. */
export const traceId = (traceparent: string): string => traceparent.match(pattern)?.[1] ?? ''
