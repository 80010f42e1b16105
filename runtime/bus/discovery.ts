/** The services protocol of NATS (ADR-32), so that `nats micro ls`, `info` and `stats` show every actor and what may be asked of it. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Call, Feed } from '../../messages/grammar/index.ts'
import type { Bus, Interest } from './bus.ts'
import { encode } from './codec.ts'

/** One verb as it is found, and how it fared. */
export interface Endpoint {
  readonly verb: string
  readonly subject: string
  readonly definition: Call | Feed
  readonly stats: { requests: number; errors: number; lastError: string; nanoseconds: number }
}

/** What is said of an actor. */
export interface Described {
  readonly node: string
  readonly actor: string
  readonly version: string
  readonly endpoints: readonly Endpoint[]
}

/** Answer PING, INFO and STATS for one actor: to all, by its name, by its id. */
export function describe(bus: Bus, described: Described): Interest {
  const identity = {
    name: `${bus.root.replaceAll('.', '-')}-${described.actor}`,
    id: randomUUID(),
    version: described.version,
    metadata: { node: described.node, root: bus.root },
  }
  const started = new Date().toISOString()
  const answers = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...identity,
      description: `${described.actor} of node ${described.node}`,
      endpoints: described.endpoints.map(infoOf),
    }),
    STATS: () => ({ type: 'io.nats.micro.v1.stats_response', ...identity, started, endpoints: described.endpoints.map(statsOf) }),
  }
  const interests = Object.entries(answers).flatMap(([word, answer]) =>
    [`$SRV.${word}`, `$SRV.${word}.${identity.name}`, `$SRV.${word}.${identity.name}.${identity.id}`].map((subject) =>
      bus.subscribe(subject, ({ respond }) => respond?.({ headers: {}, payload: encode(answer(), 'json') })),
    ),
  )
  return {
    ready: Promise.all(interests.map(({ ready }) => ready)).then(() => {}),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(interests.map((interest) => interest[Symbol.asyncDispose]()))
    },
  }
}

/** The JSON Schema of one side of a message, as JSON carries it. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (z.globalRegistry.get(zodSchema as unknown as z.ZodType)?.id === 'Bytes')
        Object.assign(jsonSchema, { type: 'string', contentEncoding: 'base64' })
      // The format says it; the pattern only says it at length.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
    },
  })
}

function infoOf({ verb, subject, definition }: Endpoint): object {
  const reply = definition.kind === 'call' ? definition.reply : definition.item
  return {
    name: verb,
    subject,
    queue_group: '',
    metadata: {
      kind: definition.kind,
      description: definition.doc,
      failures: definition.failures.join(','),
      request: JSON.stringify(schemaOf(definition.request, 'input')),
      reply: JSON.stringify(schemaOf(reply, 'output')),
    },
  }
}

function statsOf({ verb, subject, stats }: Endpoint): object {
  return {
    name: verb,
    subject,
    queue_group: '',
    num_requests: stats.requests,
    num_errors: stats.errors,
    last_error: stats.lastError,
    processing_time: stats.nanoseconds,
    average_processing_time: stats.requests === 0 ? 0 : Math.round(stats.nanoseconds / stats.requests),
  }
}
