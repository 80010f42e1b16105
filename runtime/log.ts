/** The log: one line of JSON an entry, to be read by programs first. */
import { type Level, pino } from 'pino'
import type { Log } from '../messages/grammar/index.ts'

/** Where and how much is logged. */
export interface LogInit {
  readonly node: string
  /** thread of the node it comes from */
  readonly thread?: string | undefined
  readonly level?: Level | 'silent' | undefined
  /** file descriptor or path; standard error unless given */
  readonly to?: number | string | undefined
}

/** Fields that never show: whatever lets somebody in. */
const secret = ['password', 'pass', 'token', 'authorization', 'Authorization', 'cookie', 'secret', 'credentials', 'headers', 'env']

/**
 * A log of its own to write to. Lines carry the node, the thread and whatever ids the entry is given (`trace`, `ticket`, `digest`);
 * an error goes under `err`, with its stack and causes. Writing is synchronous and small: no line is lost when the process ends.
 */
export function openLog(init: LogInit): Log {
  return pino(
    {
      level: init.level ?? 'info',
      base: { node: init.node, ...(init.thread && { thread: init.thread }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`]), censor: '(hidden)' },
    },
    pino.destination({ dest: init.to ?? 2, sync: true }),
  )
}

/** The same log with more fields on every line. */
export function withFields(log: Log, fields: object): Log {
  return {
    debug: (more, message) => log.debug({ ...fields, ...more }, message),
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  }
}
