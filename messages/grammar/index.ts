/** The message grammar: the only part of `messages` that `runtime` knows. */
export * from './define.ts'
export * from './failure.ts'
export * from './subject.ts'
