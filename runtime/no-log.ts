import type { Log } from '../messages/grammar/index.ts'

const nothing = (): void => {}

/** A log that keeps nothing, for tests and for commands that say what is wrong themselves. */
export const noLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
