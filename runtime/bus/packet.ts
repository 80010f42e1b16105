/** What every bus asks of what it carries. */
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Packet } from './bus.ts'

/** Fails with invalid_argument unless it is a subject that can be sent to: no blanks, no empty tokens. */
export function checkSubject(subject: string): void {
  if (!/^[^\s.]+(\.[^\s.]+)*$/.test(subject)) throw new Failure('invalid_argument', `send to ${JSON.stringify(subject)}: not a subject`)
}

/** Fails with out_of_range when a packet is more than the bus carries. */
export function checkSize(attempt: string, packet: Packet, most: number): void {
  const { length } = packet.payload
  if (length > most) throw new Failure('out_of_range', `${attempt}: ${length} bytes are more than the ${most} the bus carries`)
}

/** Nobody listens on a subject. Known from other ways to be unavailable by its details. */
export const nobody = (subject: string): Failure =>
  new Failure('unavailable', `ask ${subject}: nobody listens`, { details: { listeners: 0 } })

/** Whether the bus itself said that nobody listens. */
export const isNobody = (error: unknown): boolean => isFailure(error, 'unavailable') && error.details?.['listeners'] === 0
