import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Labels, Nothing, Platform, Size, Time } from './words/index.ts'

/** A node of the system. */
export const NodeInfo = z.object({
  node: z.string(),
  version: z.string(),
  platform: Platform,
  root: z.string(),
  pid: z.int(),
  since: Time,
  server: z.string().meta({ description: 'version of the NATS server it is connected to' }),
  memory: Size.meta({ description: 'resident, all threads' }),
  state: z.enum(['up', 'draining']),
  labels: Labels.meta({ description: 'of the setting node.labels' }),
  drivers: z.array(z.string()).meta({ description: 'of snapshots, that can be used' }),
  blobs: z.object({ count: z.int().min(0), size: Size }).meta({ description: 'it has and serves to others' }),
})
export type NodeInfo = z.output<typeof NodeInfo>

/** Nodes. */
export const node = {
  info: call('Who this is.', { request: Nothing, reply: NodeInfo, example: {} }),
  health: call('Whether every thread answers.', {
    request: Nothing,
    reply: z.object({
      threads: z.array(z.object({ name: z.string(), milliseconds: z.number().meta({ description: 'it took to answer' }) })),
    }),
    example: {},
  }),
  drain: call(
    'Take no new pulls or containers from others, go on with what was begun, and go on serving what others are reading. Answers at once; `undo` takes it back.',
    { request: z.object({ undo: z.boolean().default(false) }), reply: NodeInfo, example: {} },
  ),
  draining: event('A node takes nothing new.', z.object({ node: z.string() }), { entity: 'node' }),
  up: event('A node answers.', z.object({ node: z.string(), version: z.string() }), { entity: 'node' }),
  down: event('A node stopped as told.', z.object({ node: z.string() }), { entity: 'node' }),
} as const
