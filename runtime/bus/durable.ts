import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Bus, Packet } from './bus.ts'
import { isNobody } from './packet.ts'

/** Publishes a packet so that it is kept: what an outbox is given. The same `Nats-Msg-Id` twice counts once. */
export type DurablePublish = (subject: string, packet: Packet, options: { signal: AbortSignal }) => Promise<void>

/** ms the stream has to say that it has a packet. */
const patience = 5_000

/**
 * Publish what must not be lost. Resolves once the stream has it; fails with unavailable or deadline_exceeded otherwise: publish it again.
 * On a system without JetStream it resolves once the server has it, which is all that can be had there.
 */
export function durably(bus: Bus): DurablePublish {
  let streams: Promise<boolean> | undefined
  bus.onStatus(() => {
    streams = undefined
  })
  return async (subject, packet, { signal }) => {
    streams ??= hasStreams(bus, signal)
    if (await streams.catch(forget)) return await acknowledged(bus, subject, packet, signal)
    bus.publish(subject, packet)
    await bus.flush({ signal })
  }

  function forget(error: unknown): never {
    streams = undefined
    throw error
  }
}

/** Whether there is JetStream at all, for us. A stream that is only not there yet makes publishing fail, to be tried again. */
async function hasStreams(bus: Bus, signal: AbortSignal): Promise<boolean> {
  try {
    const { payload } = await bus.request('$JS.API.INFO', nothing, { signal, timeoutMs: patience })
    return (JSON.parse(Buffer.from(payload).toString()) as { error?: unknown }).error === undefined
  } catch (error) {
    if (isFailure(error, 'permission_denied') || isNobody(error)) return false
    throw error
  }
}

async function acknowledged(bus: Bus, subject: string, packet: Packet, signal: AbortSignal): Promise<void> {
  const { payload } = await bus.request(subject, packet, { signal, timeoutMs: patience })
  const { error } = JSON.parse(Buffer.from(payload).toString()) as { error?: { description: string } }
  if (error) throw new Failure('unavailable', `store a fact of ${subject}: ${error.description}`)
}

const nothing: Packet = { headers: {}, payload: new Uint8Array() }
