import { expect, test } from 'vitest'
import { assign, fromPromise, setup } from 'xstate'
import { step } from '../../machines/step.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { runErrand } from '../../runtime/errands.ts'

interface Fetched {
  readonly bread: string
}

const shopping = setup({
  types: {
    input: {} as { shop: string },
    context: {} as { shop: string; bread?: string },
    output: {} as { bread: string | undefined },
    events: {} as { type: 'cancel' },
  },
  actors: { walk: step<void, string>(), fetch: step<Fetched, void>() },
}).createMachine({
  id: 'shopping',
  context: ({ input }) => input,
  initial: 'walking',
  output: ({ context }) => ({ bread: context.bread }),
  on: { cancel: '.cancelled' },
  states: {
    walking: { invoke: { src: 'walk', input: ({ context }) => context.shop, onDone: 'fetching' } },
    fetching: {
      invoke: {
        src: 'fetch',
        onDone: { target: 'done', actions: assign({ bread: ({ event }) => event.output.bread }) },
        onError: 'closed',
      },
    },
    closed: { type: 'final' },
    cancelled: { type: 'final' },
    done: { type: 'final' },
  },
})

const actors = { walk: fromPromise<void, string>(async () => {}), fetch: fromPromise<Fetched, void>(async () => ({ bread: 'rye' })) }

test('answers the output of the machine, and tells every state on the way', async () => {
  const states: unknown[] = []
  const output = await runErrand(shopping.provide({ actors }), {
    input: { shop: 'corner' },
    onTransition: ({ value }) => void states.push(value),
  })
  expect(output).toEqual({ bread: 'rye' })
  expect(states).toEqual(['walking', 'fetching', 'done'])
})

test('a step gets its input', async () => {
  const seen: string[] = []
  const walk = fromPromise<void, string>(async ({ input }) => void seen.push(input))
  await runErrand(shopping.provide({ actors: { ...actors, walk } }), { input: { shop: 'corner' } })
  expect(seen).toEqual(['corner'])
})

test('a failure the machine has an answer to is no failure of the errand', async () => {
  const fetch = fromPromise<Fetched, void>(() => Promise.reject(new Error('sold out')))
  expect(await runErrand(shopping.provide({ actors: { ...actors, fetch } }), { input: { shop: 'corner' } })).toEqual({ bread: undefined })
})

test('a failure the machine has no answer to is the failure of the errand', async () => {
  const walk = fromPromise<void, string>(() => Promise.reject(new Failure('permission_denied', 'walk to the shop: the road is closed')))
  await expect(runErrand(shopping.provide({ actors: { ...actors, walk } }), { input: { shop: 'corner' } })).rejects.toMatchObject({
    code: 'permission_denied',
  })
})

test('a step that nobody provided refuses to run', async () => {
  await expect(runErrand(shopping, { input: { shop: 'corner' } })).rejects.toMatchObject({ code: 'internal', message: /nobody provided/ })
})

test('gives up when told to: the step at work sees it, and the machine ends where it says', async () => {
  const giveUp = new AbortController()
  const states: unknown[] = []
  const seen = Promise.withResolvers<boolean>()
  const walk = fromPromise<void, string>(({ signal }) => {
    giveUp.abort(new Failure('cancelled', 'it rains'))
    return new Promise((_, reject) => {
      const stop = () => {
        seen.resolve(signal.aborted)
        reject(signal.reason)
      }
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop)
    })
  })
  const errand = runErrand(shopping.provide({ actors: { ...actors, walk } }), {
    input: { shop: 'corner' },
    signal: giveUp.signal,
    onTransition: ({ value }) => void states.push(value),
  })
  await expect(errand).rejects.toMatchObject({ code: 'cancelled', message: 'it rains' })
  expect(await seen.promise).toBe(true)
  expect(states.at(-1)).toBe('cancelled')
})

test('gives up when told to: before it begins nothing is begun', async () => {
  let begun = false
  const walk = fromPromise<void, string>(async () => {
    begun = true
  })
  const machine = shopping.provide({ actors: { ...actors, walk } })
  await expect(runErrand(machine, { input: { shop: 'corner' }, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  expect(begun).toBe(false)
})
