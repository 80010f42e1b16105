/**
 * The closed set of failures. A code is chosen by what the caller should do next, never by where it went wrong.
 *
 * `retry` says whether the same request may succeed later unchanged; `exit` is the exit code of a command that ends with it.
 */
export const failures = {
  invalid_argument: { retry: false, exit: 2, meaning: 'the request can never succeed as written' },
  not_found: { retry: false, exit: 3, meaning: 'the named thing does not exist' },
  already_exists: { retry: false, exit: 4, meaning: 'the name is taken; usually as good as success' },
  failed_precondition: { retry: false, exit: 5, meaning: 'something else must change state first' },
  out_of_range: { retry: false, exit: 6, meaning: 'an offset lies outside what is there' },
  unauthenticated: { retry: false, exit: 7, meaning: 'credentials are missing or refused' },
  permission_denied: { retry: false, exit: 8, meaning: 'these credentials, or this user, may not do it' },
  resource_exhausted: { retry: true, exit: 9, meaning: 'disk, memory or quota is used up: free some or wait' },
  unavailable: { retry: true, exit: 10, meaning: 'nobody answered; trying again later may help' },
  deadline_exceeded: { retry: true, exit: 11, meaning: 'no answer within the time given' },
  cancelled: { retry: false, exit: 12, meaning: 'the caller gave up' },
  data_loss: { retry: false, exit: 13, meaning: 'bytes are not what they were said to be: discard and fetch again' },
  unimplemented: { retry: false, exit: 14, meaning: 'this node, driver or version cannot do it' },
  internal: { retry: false, exit: 70, meaning: 'a fault of ours; the log has more' },
} as const

/** One of the closed set. */
export type Code = keyof typeof failures

/** Codes any verb may answer without declaring them: they come from the bus, not from the craft. */
export const undeclared = ['invalid_argument', 'cancelled', 'deadline_exceeded', 'unavailable', 'internal'] as const

/** A failure as it travels: plain data. `details` is for programs, `message` for people. */
export interface FailureData {
  readonly code: Code
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * A failure in process. The message says what was attempted, on what, and why it failed, on one line, without a full stop.
 * The original error, if any, stays in `cause`: it reaches the log, never the wire.
 */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: Code, message: string, options: { details?: Readonly<Record<string, unknown>> | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
  }

  /**
   * The only converter from the unknown: a failure stays itself, an abort is `cancelled`, a timeout `deadline_exceeded`,
   * anything else `internal` with the original as cause. Of an error, and one more while what was in use was given back, the first counts.
   */
  static from(error: unknown): Failure {
    if (error instanceof Failure) return error
    if (error instanceof SuppressedError) return Failure.from(error.suppressed)
    if (error instanceof Error && error.name === 'AbortError') return new Failure('cancelled', 'the caller gave up', { cause: error })
    if (error instanceof Error && error.name === 'TimeoutError')
      return new Failure('deadline_exceeded', 'no answer within the time given', { cause: error })
    return new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error })
  }

  /** From the wire. A code this version does not know becomes `internal`, its text kept. */
  static fromData(data: { code: string; message: string; details?: Readonly<Record<string, unknown>> | undefined }): Failure {
    const known = Object.hasOwn(failures, data.code)
    return new Failure(known ? (data.code as Code) : 'internal', data.message, { details: data.details })
  }

  toJSON(): FailureData {
    return { code: this.code, message: this.message, ...(this.details && { details: this.details }) }
  }
}

/** Whether `error` is a failure with one of `codes`. */
export const isFailure = (error: unknown, ...codes: Code[]): error is Failure =>
  error instanceof Failure && (codes.length === 0 || codes.includes(error.code))
