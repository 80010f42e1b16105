import { constants } from 'node:os'
import { getSystemErrorMessage } from 'node:util'
import koffi, { type LibraryHandle } from 'koffi'
import { Failure } from '../../messages/grammar/index.ts'

const opened = open()

/**
 * A function of the C library, by its C declaration. Pointers are passed as buffers; results are plain numbers.
 * Where there is no glibc (another system, musl) it can be declared all the same, and fails with unimplemented when called.
 */
export function libc<Arguments extends unknown[]>(declaration: string): (...args: Arguments) => number {
  if (opened.library !== undefined) return opened.library.func(declaration) as unknown as (...args: Arguments) => number
  return () => {
    throw new Failure('unimplemented', `call the C library of this system: ${opened.why}`)
  }
}

/** The result of a call that says -1 when it fails; throws the errno as a {@link SystemError}. */
export function checked(result: number, syscall: string): number {
  if (result !== -1) return result
  throw new SystemError(koffi.errno(), syscall)
}

/** The result of a call that says -1 when it fails, or the errno negated: for refusals that are part of ordinary work. */
export const resultOrErrno = (result: number): number => (result === -1 ? -koffi.errno() : result)

/**
 * The same call on a thread of the pool, for what may block long. The errno of another thread cannot be read here, so a failure
 * is the call repeated in place: it says why, or succeeds.
 */
export function onPool<Arguments extends unknown[]>(
  call: (...args: Arguments) => number,
  syscall: string,
  ...args: Arguments
): Promise<void> {
  if (!('async' in call)) return Promise.resolve(void call(...args))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { async: start } = call as unknown as { async: (...args: [...Arguments, (error: Error | null, result: number) => void]) => void }
  start(...args, (error, result) => {
    try {
      if (error !== null) throw error
      if (result === -1) checked(call(...args), syscall)
      resolve()
    } catch (refusal) {
      reject(refusal)
    }
  })
  return promise
}

/** An errno, in the shape of the errors of node:fs. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string
  readonly errno: number
  readonly syscall: string

  constructor(errno: number, syscall: string) {
    const code = names.get(errno) ?? `E${errno}`
    super(`${code}: ${describe(errno)}, ${syscall}`)
    this.code = code
    this.errno = -errno
    this.syscall = syscall
  }
}

const names = new Map<number, string>(
  Object.entries(constants.errno)
    // one number, two names: keep the usual ones
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'EOPNOTSUPP')
    .map(([name, number]) => [number, name]),
)

function describe(errno: number): string {
  const text = getSystemErrorMessage(-errno)
  return text ?? `error ${errno}`
}

function open(): { library?: LibraryHandle; why?: string } {
  if (process.platform !== 'linux') return { why: `Linux is needed, this is ${process.platform}` }
  if (process.arch !== 'x64' && process.arch !== 'arm64') return { why: `x64 or arm64 is needed, this is ${process.arch}` }
  try {
    return { library: koffi.load('libc.so.6') }
  } catch {
    return { why: 'glibc (libc.so.6) is needed and cannot be loaded' }
  }
}
