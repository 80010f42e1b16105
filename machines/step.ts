import { fromPromise, type PromiseActorLogic } from 'xstate'

/**
 * A step of an errand, typed, to be provided where it runs: `machine.provide({ actors: { resolve: fromPromise(...) } })`.
 * Run without being provided it refuses.
 */
export const step = <Output, Input>(): PromiseActorLogic<Output, Input> =>
  fromPromise<Output, Input>(() => Promise.reject(new Error('a step was run that nobody provided')))
