import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  DrainingConnectionError,
  InvalidArgumentError,
  InvalidSubjectError,
  PermissionViolationError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from 'nats'
import { type Code, Failure } from '../../messages/grammar/index.ts'

/**
 * What an attempt failed with, as a failure that says what was attempted. A failure stays itself; what is neither of the client library nor of
 * the network is converted as everywhere, by `Failure.from`.
 */
export function fromNats(error: unknown, attempt: string): Failure {
  if (error instanceof Failure) return error
  const code =
    codes.find(([kind]) => error instanceof kind)?.[1] ?? (isSystem(error) ? 'unavailable' : isOfTls(error) ? 'unauthenticated' : undefined)
  if (code === undefined) return Failure.from(error)
  return new Failure(code, `${attempt}: ${(error as Error).message.toLowerCase()}`, { cause: error })
}

/** The failure of what is not even tried, because the connection is lost or closed. */
export const disconnected = (attempt: string): Failure => new Failure('unavailable', `${attempt}: not connected to NATS`)

/** Whether NATS refused because it is not ours to do. */
export const isDenied = (error: unknown): boolean =>
  error instanceof PermissionViolationError || (error instanceof Error && error.cause instanceof PermissionViolationError)

/** Errors of the client library as failures: the one table. */
const codes: readonly [new (...given: never[]) => Error, Code][] = [
  [AuthorizationError, 'unauthenticated'],
  [UserAuthenticationExpiredError, 'unauthenticated'],
  [PermissionViolationError, 'permission_denied'],
  [TimeoutError, 'deadline_exceeded'],
  [ConnectionError, 'unavailable'],
  [ClosedConnectionError, 'unavailable'],
  [DrainingConnectionError, 'unavailable'],
  [InvalidSubjectError, 'invalid_argument'],
  [InvalidArgumentError, 'invalid_argument'],
]

/** ENOTFOUND, EHOSTUNREACH and their like. */
const isSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED, ERR_TLS_CERT_ALTNAME_INVALID and their like. */
const isOfTls = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /CERT|SIGNATURE|ERR_(TLS|SSL|OSSL)/.test(String(error.code))
