/** How a fact travels: CloudEvents in JSON, so that people and programs that know neither us nor msgpack can read it. */
import { randomUUID } from 'node:crypto'
import { eventSubject, Failure } from '../../messages/grammar/index.ts'
import type { Packet } from './bus.ts'
import { contentType, decode, encode } from './codec.ts'
import { header } from './headers.ts'
import { continueTrace } from './trace.ts'

/** A fact to be told. */
export interface Telling {
  readonly node: string
  readonly actor: string
  readonly fact: string
  readonly data: Readonly<Record<string, unknown>>
  /** id of what it is about: order is kept per entity */
  readonly entity?: string | undefined
  /** traceparent of the request that caused it */
  readonly trace?: string | undefined
}

/** A fact as it travels and as it is stored. The names are those of CloudEvents. */
export interface Envelope<Data = Readonly<Record<string, unknown>>> {
  readonly specversion: '1.0'
  /** unique; a fact told twice is told under the same id */
  readonly id: string
  /** the node */
  readonly source: string
  /** `<actor>.<fact>` */
  readonly type: string
  /** the entity */
  readonly subject?: string
  /** when it happened, RFC 3339 */
  readonly time: string
  readonly traceparent: string
  readonly datacontenttype: 'application/json'
  readonly data: Data
}

/** Make the envelope of a fact, once: what is stored to be told later keeps its id and time. */
export function envelope(telling: Telling, made: { id?: string; time?: string } = {}): Envelope {
  return {
    specversion: '1.0',
    id: made.id ?? randomUUID(),
    source: telling.node,
    type: `${telling.actor}.${telling.fact}`,
    ...(telling.entity !== undefined && { subject: telling.entity }),
    time: made.time ?? new Date().toISOString(),
    traceparent: telling.trace ?? continueTrace(),
    datacontenttype: 'application/json',
    data: telling.data,
  }
}

/** Where an envelope is told, and the packet. The id also stands where JetStream looks to drop what it already has. */
export function eventPacket(root: string, event: Envelope): { subject: string; packet: Packet } {
  const [actor = '', fact = ''] = event.type.split('.')
  return {
    subject: eventSubject(root, event.source, actor, fact),
    packet: {
      headers: { [contentType]: 'application/cloudevents+json', 'Nats-Msg-Id': event.id, [header.trace]: event.traceparent },
      payload: encode(event, 'json'),
    },
  }
}

/**
 * The envelope in a packet that was told on a subject. Fails with invalid_argument when there is none, or when it says that it is of another node, or another fact, than it was told
 * as: NATS lets nobody tell on the subject of another, but does not read what is told.
 */
export function openEnvelope({ subject, ...packet }: Packet & { readonly subject: string }): Envelope {
  const event = decode(packet) as Envelope | null
  const [node, actor, fact] = subject.split('.').slice(-3)
  if (typeof event?.data !== 'object' || event.source !== node || event.type !== `${actor}.${fact}`)
    throw new Failure('invalid_argument', `read a fact of ${subject}: what was told there is none`)
  return event
}
