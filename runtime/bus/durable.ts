import { eventSubject, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Bus, Packet } from './bus.ts'
import { isNobody } from './packet.ts'
import { patience, storedMessage } from './stored.ts'

/**
 * Publishes a packet so that it is kept: what an outbox is given. The same `Nats-Msg-Id` twice counts once, for as long as the stream remembers it.
 * Answers its place in the stream, if there is one.
 */
export type DurablePublish = (subject: string, packet: Packet, options: { signal: AbortSignal }) => Promise<number | undefined>

/** Asks the stream which facts of a node it has, from a place on: their ids, in order. */
export type WhatIsKept = (from: number, options: { signal: AbortSignal }) => AsyncIterable<string>

/** ms the stream remembers the ids of what it was given (2 minutes) */
export const dedupeMs = 2 * 60 * 1_000

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
    return undefined
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

async function acknowledged(bus: Bus, subject: string, packet: Packet, signal: AbortSignal): Promise<number | undefined> {
  const { payload } = await bus.request(subject, packet, { signal, timeoutMs: patience })
  const { error, seq } = JSON.parse(Buffer.from(payload).toString()) as { error?: { description: string }; seq?: number }
  if (error) throw new Failure('unavailable', `store a fact of ${subject}: ${error.description}`)
  return seq
}

/**
 * What the stream has of a node's facts. It is asked for one after the other, and only those: however many others are told, a node that was away reads its own.
 * Nothing, where nothing is kept or may be read by us.
 */
export function keptOf(bus: Bus, node: string): WhatIsKept {
  const wanted = eventSubject(bus.root, node, '*', '*')
  return async function* (from, { signal }) {
    for (let seq = from; ; ) {
      const message = await storedMessage(bus, { seq, next_by_subj: wanted }, { signal }).catch(nothingForUs)
      if (!message) return
      yield idOf(message.hdrs)
      seq = message.seq + 1
    }
  }
}

function nothingForUs(error: unknown): undefined {
  if (!isFailure(error, 'permission_denied')) throw error
}

const idOf = (headers = ''): string => /^Nats-Msg-Id: *(.*?)\r?$/m.exec(Buffer.from(headers, 'base64').toString())?.[1] ?? ''

const nothing: Packet = { headers: {}, payload: new Uint8Array() }
