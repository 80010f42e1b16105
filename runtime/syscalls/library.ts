import koffi, { type LibraryHandle } from 'koffi'

/** A function of a C library: called in place, or on a thread of the pool. Pointers are passed as buffers; they must stay as they are until it is done. */
export interface Foreign<Arguments extends unknown[], Result = number> {
  (...args: Arguments): Result
  async(...args: [...Arguments, (error: Error | null, result: Result) => void]): void
}

/** Gives a function by its C declaration; throws when the library has none of that name. */
export type Library = <Arguments extends unknown[], Result = number>(declaration: string) => Foreign<Arguments, Result>

/** A library by its name with version, or what this very process brings when none is named. Undefined where it is not installed. */
export function library(name: string | null): Library | undefined {
  let opened: LibraryHandle
  try {
    opened = koffi.load(name)
  } catch {
    return undefined
  }
  return <Arguments extends unknown[], Result>(declaration: string) => opened.func(declaration) as unknown as Foreign<Arguments, Result>
}

/** Call it on a thread of the pool. */
export function inPool<Arguments extends unknown[]>(call: Foreign<Arguments>, ...args: Arguments): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  call.async(...args, (error, result) => (error === null ? resolve(result) : reject(error)))
  return promise
}

/** Where bytes are, for a structure that points to them. They are there until they are collected, so who writes it down keeps them, too. */
export const addressOf = (bytes: Uint8Array): bigint => koffi.address(bytes) as bigint
