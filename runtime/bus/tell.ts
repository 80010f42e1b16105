import { isFailure } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { envelope, eventPacket, type Telling } from './envelope.ts'

/**
 * Tell a fact that is not stored (progress): whoever listens now hears it, nobody else.
 * While the bus is away it is dropped: the next one says more than this one did.
 */
export function tell(bus: Bus, telling: Telling): void {
  const { subject, packet } = eventPacket(bus.root, envelope(telling))
  try {
    bus.publish(subject, packet)
  } catch (error) {
    // What is lost is progress; the fact that matters comes through the outbox.
    if (!isFailure(error, 'unavailable')) throw error
  }
}
