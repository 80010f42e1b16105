/**
 * Where actors live: the one table of what runs on which thread of a node. Moving an actor is moving its line.
 * Nothing is loaded before it is started, so a thread holds only what its own actors need.
 */
import type { Home } from '../runtime/home.ts'

/** What starts an actor; disposing what it gives stops it. */
type Start = (home: Home) => Promise<AsyncDisposable>

export interface Placed {
  /** name on the bus */
  readonly actor: string
  /** `control` is the main thread */
  readonly thread: string
  readonly start: Start
}

/** What a node's control thread can ask of the node itself. */
export interface Threads {
  /** The threads, and how long each takes to answer, ms. Fails with what the first silent one fails with. */
  ping(): Promise<{ name: string; milliseconds: number }[]>
}

/** The actors of a node, in the order they start on their thread. The control thread starts last and stops first: it asks the others. */
export function placement({ unpackThreads, threads }: { unpackThreads: number; threads: Threads }): Placed[] {
  const unpackers = Array.from({ length: unpackThreads }, (_, index) => `unpack-${index}`)
  return [
    { thread: 'content', actor: 'lease', start: async (home) => (await import('./lease/actor.ts')).startLease(home) },
    { thread: 'content', actor: 'content', start: async (home) => (await import('./content/actor.ts')).startContent(home) },
    { thread: 'content', actor: 'ingest', start: async (home) => (await import('./ingest/actor.ts')).startIngest(home) },
    { thread: 'content', actor: 'gc', start: async (home) => (await import('./gc/actor.ts')).startGc(home) },
    { thread: 'content', actor: 'fetch', start: async (home) => (await import('./fetch/actor.ts')).startFetch(home) },
    { thread: 'content', actor: 'swarm', start: async (home) => (await import('./swarm/actor.ts')).startSwarm(home) },
    { thread: 'local', actor: 'snapshot', start: async (home) => (await import('./snapshot/actor.ts')).startSnapshot(home) },
    { thread: 'local', actor: 'exec', start: async (home) => (await import('./exec/actor.ts')).startExec(home) },
    ...unpackers.map((actor) => ({
      thread: actor,
      actor,
      start: async (home: Home) => (await import('./unpack/worker.ts')).startUnpackWorker(home, { actor }),
    })),
    {
      thread: 'control',
      actor: 'unpack',
      start: async (home) => (await import('./unpack/actor.ts')).startUnpack(home, { workers: unpackers }),
    },
    { thread: 'control', actor: 'image', start: async (home) => (await import('./image/actor.ts')).startImage(home) },
    { thread: 'control', actor: 'tag', start: async (home) => (await import('./tag/actor.ts')).startTag(home) },
    { thread: 'control', actor: 'container', start: async (home) => (await import('./container/actor.ts')).startContainer(home) },
    { thread: 'control', actor: 'pull', start: async (home) => (await import('./pull/actor.ts')).startPull(home) },
    { thread: 'control', actor: 'scrub', start: async (home) => (await import('./scrub/actor.ts')).startScrub(home) },
    { thread: 'control', actor: 'node', start: async (home) => (await import('./node/actor.ts')).startNode(home, { threads }) },
  ]
}
