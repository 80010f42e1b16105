import type { Gained, Holding } from '../../messages/swarm.ts'

/** Where everybody who shares one blob meets. */
export interface Room extends AsyncDisposable {
  /** What others have now, as they answer; nobody there is no answer. */
  ask(options: { signal: AbortSignal }): AsyncIterable<Holding>
  /** Tell the others. While the bus is away nobody is told; who asks later hears it. */
  tell(gained: Omit<Gained, 'node'>): void
}
