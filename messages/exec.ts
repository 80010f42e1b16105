import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Bytes, Id, Nothing, Time } from './words/index.ts'

/** A container at work. */
export const Task = z.object({
  id: Id.meta({ description: 'of its container' }),
  state: z.enum(['created', 'running', 'paused', 'stopped']),
  pid: z.int().optional(),
  terminal: z.boolean(),
  exitCode: z.int().optional().meta({ description: 'once stopped; 128 + n when signal n ended it' }),
  createdAt: Time,
  startedAt: Time.optional(),
  exitedAt: Time.optional(),
})
export type Task = z.output<typeof Task>

const failures = ['not_found', 'failed_precondition'] as const

/**
 * Tasks: a container's process, through an OCI runtime. Life: create → start → (kill) → exits → remove; created → running → stopped,
 * running ⇄ paused. Output is kept from the first byte, so `attach` after `start` misses nothing.
 */
export const exec = {
  create: call('Mount the container’s snapshot, write its runtime spec, and have the runtime create it.', {
    request: z.object({ id: Id, stdin: z.boolean().default(false).meta({ description: 'keep standard input open, for write' }) }),
    reply: Task,
    failures: [...failures, 'already_exists', 'resource_exhausted', 'permission_denied', 'unimplemented', 'invalid_argument'],
    example: { id: 'r1' },
  }),
  start: call('Let it run.', { request: z.object({ id: Id }), reply: Task, failures, example: { id: 'r1' } }),
  kill: call('Send it a signal: a name with or without SIG, or a number.', {
    request: z.object({ id: Id, signal: z.string().default('TERM') }),
    reply: Nothing,
    failures,
    example: { id: 'r1', signal: 'TERM' },
  }),
  pause: call('Freeze it.', {
    request: z.object({ id: Id }),
    reply: Task,
    failures: [...failures, 'unimplemented'],
    example: { id: 'r1' },
  }),
  resume: call('Let it go on.', {
    request: z.object({ id: Id }),
    reply: Task,
    failures: [...failures, 'unimplemented'],
    example: { id: 'r1' },
  }),
  wait: feed('Tells its state now, and once more when it has stopped, then ends.', {
    request: z.object({ id: Id }),
    item: Task,
    failures: ['not_found'],
    example: { id: 'r1' },
  }),
  list: call('Every task.', { request: Nothing, reply: z.object({ tasks: z.array(Task) }), example: {} }),
  state: call('One task.', { request: z.object({ id: Id }), reply: Task, failures: ['not_found'], example: { id: 'r1' } }),
  resize: call('Tell its terminal how large it is.', {
    request: z.object({ id: Id, columns: z.int().min(1).max(65_535), rows: z.int().min(1).max(65_535) }),
    reply: Nothing,
    failures,
    example: { id: 'r1', columns: 80, rows: 24 },
  }),
  write: call('Write to its standard input; `end` closes it after these bytes.', {
    request: z.object({ id: Id, bytes: Bytes, end: z.boolean().default(false) }),
    reply: Nothing,
    failures: [...failures, 'resource_exhausted'],
    example: { id: 'r1', bytes: 'aGk=' },
  }),
  attach: feed('Its output from the first byte, then as it comes; ends when it has exited and all is told.', {
    request: z.object({ id: Id }),
    item: z.object({ stream: z.enum(['stdout', 'stderr']), bytes: Bytes }),
    failures: ['not_found'],
    example: { id: 'r1' },
  }),
  remove: call('Forget a task that has stopped or never started, unmount it, and answer how it ended.', {
    request: z.object({ id: Id }),
    reply: Task,
    failures,
    example: { id: 'r1' },
  }),
  created: event('A task is ready to start.', z.object({ id: Id, pid: z.int().optional() }), { entity: 'id' }),
  started: event('A task runs.', z.object({ id: Id, pid: z.int().optional() }), { entity: 'id' }),
  paused: event('A task is frozen.', z.object({ id: Id }), { entity: 'id' }),
  resumed: event('A task goes on.', z.object({ id: Id }), { entity: 'id' }),
  exited: event('A task’s process ended.', z.object({ id: Id, exitCode: z.int(), exitedAt: Time }), { entity: 'id' }),
  removed: event('A task is forgotten.', z.object({ id: Id }), { entity: 'id' }),
} as const
