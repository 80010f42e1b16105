import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Nothing, Platform, Size, Time } from './words/index.ts'

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
  up: event('A node answers.', z.object({ node: z.string(), version: z.string() }), { entity: 'node' }),
  down: event('A node stopped as told.', z.object({ node: z.string() }), { entity: 'node' }),
} as const
