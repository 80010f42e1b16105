/** The words every protocol is written in. */
export * from './chain.ts'
export * from './descriptor.ts'
export * from './digest.ts'
export * from './platform.ts'
export * from './reference.ts'
export * from './role.ts'
export * from './thing.ts'
export * from './values.ts'
