/**
 * The door to the kernel: what node:fs has no word for, or is too slow at. The one place that uses FFI.
 *
 * Every function throws an error shaped like those of node:fs (`code: 'ENOENT'`); `runtime/errno.ts` makes a failure of it. One called
 * `try…` answers the errno negated instead, for refusals that are part of ordinary work. Paths are text, or bytes ending in NUL
 * ({@link cstring}), so that names in any encoding survive. All calls block; only what is quick or on a worker thread may use them.
 */
export * from './attributes.ts'
export * from './btrfs.ts'
export * from './extents.ts'
export * from './files.ts'
export { SystemError } from './libc.ts'
export { addressOf, type Foreign, inPool, library } from './library.ts'
export { shareHeaps } from './memory.ts'
export * from './mounts.ts'
export * from './names.ts'
export * from './processes.ts'
export * from './sockets.ts'
export * from './status.ts'
export { type CString, cstring, nameRoom, type Path } from './strings.ts'
export * from './xattrs.ts'
