/**
 * Errands: things that are done once and last a while, run by XState's interpreter. Their steps are promises provided where they run:
 * `runErrand(pullMachine.provide({ actors: { resolve: fromPromise(…) } }), { input })`.
 */
import { type AnyStateMachine, createActor, type InputFrom, type OutputFrom, type SnapshotFrom } from 'xstate'
import { Failure } from '../messages/grammar/index.ts'

/** How an errand is run. */
export interface ErrandOptions<M extends AnyStateMachine> {
  readonly input: InputFrom<M>
  /** Stops it: the step at work sees its own signal aborted. */
  readonly signal?: AbortSignal | undefined
  /** Called with the first state and after every transition. */
  readonly onTransition?: ((snapshot: SnapshotFrom<M>) => void) | undefined
}

/**
 * Run a machine to its end and answer its output.
 *
 * Fails with what a step failed with when the machine has no answer to that, or with the signal's reason, a Failure either way. Told to stop, the machine takes
 * `{type: 'cancel'}` if it can, so that it ends where it says, and is stopped otherwise; what a step does after its signal is aborted is not waited for.
 */
export async function runErrand<M extends AnyStateMachine>(machine: M, options: ErrandOptions<M>): Promise<OutputFrom<M>> {
  const { input, signal, onTransition } = options
  if (signal?.aborted) throw Failure.from(signal.reason)
  const end = Promise.withResolvers<OutputFrom<M>>()
  const errand = createActor(machine as AnyStateMachine, { input })
  const stop = () => {
    end.reject(Failure.from(signal?.reason))
    if (errand.getSnapshot().can({ type: 'cancel' })) errand.send({ type: 'cancel' })
    errand.stop()
  }
  errand.subscribe({
    next: (snapshot) => {
      onTransition?.(snapshot as SnapshotFrom<M>)
      if (snapshot.status === 'done') end.resolve(snapshot.output as OutputFrom<M>)
    },
    error: (error) => end.reject(Failure.from(error)),
  })
  signal?.addEventListener('abort', stop, { once: true })
  try {
    errand.start()
    return await end.promise
  } finally {
    signal?.removeEventListener('abort', stop)
    errand.stop()
  }
}
