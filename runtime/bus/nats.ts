/** The bus on NATS. */
import { connect, type NatsConnection, type NodeConnectionOptions, TimeoutError } from 'nats'
import type { Log } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import { noLog } from '../no-log.ts'
import type { Bus } from './bus.ts'
import { inboxOf, type NatsAddress, reaching, shown } from './nats-address.ts'
import { NatsBus } from './nats-bus.ts'
import { fromNats } from './nats-failures.ts'

export interface NatsOptions {
  /** first tokens of every subject (`gantry`) */
  readonly root?: string | undefined
  /** how the server's monitoring calls this connection */
  readonly name?: string | undefined
  /** ms to reach the server (5,000) */
  readonly timeoutMs?: number | undefined
  /** ms between looks whether the server still answers (5,000); it is given up after three without an answer */
  readonly pingMs?: number | undefined
  readonly log?: Log | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Connect. Once connected it stays so for ever: a lost connection is sought again until the bus is disposed; meanwhile publishing fails and
 * what was asked has failed, both with unavailable. Interests come back by themselves.
 *
 * Fails with unavailable when nobody is there, unauthenticated when we are not wanted, deadline_exceeded when the server does not talk.
 * A connection is one queue: whoever moves bulk makes a second one.
 */
export async function connectNats(address: NatsAddress, options: NatsOptions = {}): Promise<Bus> {
  options.signal?.throwIfAborted()
  const connecting = connect({
    ...reaching(address),
    ...(options.name !== undefined && { name: options.name }),
    ...policy,
    timeout: options.timeoutMs ?? 5_000,
    pingInterval: options.pingMs ?? 5_000,
  })
  try {
    const connection = await given(options.signal, connecting)
    const bus = new NatsBus(connection, { root: options.root ?? 'gantry', log: options.log ?? noLog, inbox: inboxOf(address) })
    connections.set(bus, { connection, replicas: address.replicas })
    return bus
  } catch (error) {
    connecting.then((late) => late.close()).catch(() => {})
    const where = `connect to NATS at ${shown(address)}`
    // What a server says of a certificate it does not like, the library does not hand on.
    throw fromNats(error, error instanceof TimeoutError && address.tls ? `${where}, with TLS` : where)
  }
}

/** The connection under a bus, for what the bus does not cover (streams); undefined when it is not on NATS. */
export const connectionOf = (bus: Bus): NatsConnection | undefined => connections.get(bus)?.connection

/** On how many servers streams and buckets are to be kept; undefined: nothing was said. */
export const replicasOf = (bus: Bus): number | undefined => connections.get(bus)?.replicas

const connections = new WeakMap<Bus, { readonly connection: NatsConnection; readonly replicas: number | undefined }>()

/** The library's defaults give up after ten tries and notice a silent server after minutes. */
const policy: NodeConnectionOptions = {
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
  reconnectDelayHandler: () => 50 + Math.random() * 1_500,
  maxPingOut: 2,
  noAsyncTraces: true,
}
