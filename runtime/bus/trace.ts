/** Traces, as in W3C Trace Context: every message has one, and every log line its id. */
import { randomFillSync } from 'node:crypto'

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** A new traceparent: a child of `parent` when that is one, the beginning of a trace otherwise. */
export function continueTrace(parent?: string): string {
  const [, trace, , flags] = parent?.match(pattern) ?? []
  return `00-${trace ?? random(16)}-${random(8)}-${flags ?? '01'}`
}

/** Asked for many at once: the kernel takes as long for one number as for hundreds. */
const pool = Buffer.alloc(4096)
let used = pool.length

function random(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}

/** The trace id of a traceparent: what log lines carry. */
export const traceId = (traceparent: string): string => traceparent.match(pattern)?.[1] ?? ''
