import { type Code, Failure } from '../messages/grammar/index.ts'

/** What each errno asks of the caller. What is not here is `internal`. */
const codes: Readonly<Record<string, Code>> = {
  ENOENT: 'not_found',
  ENXIO: 'not_found',
  ESRCH: 'not_found',
  ENODATA: 'not_found',
  EEXIST: 'already_exists',
  EINVAL: 'invalid_argument',
  ENAMETOOLONG: 'invalid_argument',
  ELOOP: 'invalid_argument',
  EBUSY: 'failed_precondition',
  EISDIR: 'failed_precondition',
  ENOTDIR: 'failed_precondition',
  ENOTEMPTY: 'failed_precondition',
  EXDEV: 'failed_precondition',
  ETXTBSY: 'failed_precondition',
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EROFS: 'permission_denied',
  EDQUOT: 'resource_exhausted',
  EFBIG: 'resource_exhausted',
  EMFILE: 'resource_exhausted',
  EMLINK: 'resource_exhausted',
  ENFILE: 'resource_exhausted',
  ENOMEM: 'resource_exhausted',
  ENOSPC: 'resource_exhausted',
  EADDRINUSE: 'unavailable',
  EAGAIN: 'unavailable',
  EAI_AGAIN: 'unavailable',
  ECONNABORTED: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EHOSTDOWN: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETDOWN: 'unavailable',
  ENETUNREACH: 'unavailable',
  ENOTCONN: 'unavailable',
  ENOTFOUND: 'unavailable',
  EPIPE: 'unavailable',
  ETIMEDOUT: 'deadline_exceeded',
  EAFNOSUPPORT: 'unimplemented',
  ENODEV: 'unimplemented',
  ENOSYS: 'unimplemented',
  ENOTSUP: 'unimplemented',
  EOPNOTSUPP: 'unimplemented',
}

/**
 * The failure an operating system error comes to; the one conversion. `attempted` says what was being done, to what, such as
 * `write blob sha256:… to /path`. A failure stays itself; what has no errno keeps its meaning and gains the words.
 */
export function fromErrno(error: unknown, attempted: string): Failure {
  if (error instanceof Failure) return error
  const errno = errnoOf(error)
  if (errno !== undefined) {
    return new Failure(codes[errno] ?? 'internal', `${attempted}: ${reason(error as Error, errno)}`, { cause: error })
  }
  const failure = Failure.from(error)
  return new Failure(failure.code, `${attempted}: ${failure.message}`, { cause: error })
}

/** The errno name of an error of node or of `runtime/syscalls`, such as `ENOENT`; undefined when it is none. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^E(?!RR_)[A-Z0-9_]+$/.test(error.code) ? error.code : undefined
}

/** Node writes `ENOENT: no such file or directory, open '/x'`; the call and the path are in `attempted` already. */
function reason(error: Error, errno: string): string {
  const text = error.message.startsWith(`${errno}: `) ? error.message.slice(errno.length + 2) : error.message
  return text.split(', ')[0]?.split('\n')[0] ?? errno
}
