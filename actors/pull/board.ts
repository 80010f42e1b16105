import { setTimeout } from 'node:timers/promises'
import type { Answered, PullStatus, Step } from '../../messages/pull.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'
import { given } from '../../runtime/given.ts'

type State = PullStatus['state']

/** Where a pull stands, for everybody who watches. */
export interface Board {
  readonly state: State
  readonly digest: Digest | undefined
  /** How it is known what the reference stands for. */
  readonly resolved: Answered | undefined
  readonly steps: Step[]
  /** What is said of one descriptor. */
  find(descriptor: Descriptor): Step | undefined
  /** Put a descriptor up, or change what is said of it. */
  mark(descriptor: Descriptor, change: Partial<Omit<Step, 'descriptor'>>): void
  enter(state: State, digest?: Digest): void
  answered(resolved: Answered): void
  /** What stands now, then what changes, at most every `pauseMs`, until an end state has been told. Each watcher misses nothing. */
  watch(options: {
    signal: AbortSignal
    pauseMs: number
  }): AsyncIterable<{ state: State; digest?: Digest; resolved?: Answered; steps: Step[] }>
}

const ends: readonly State[] = ['done', 'failed', 'cancelled']

/** Whether a pull in this state has ended. */
export const hasEnded = (state: State): boolean => ends.includes(state)

/** An empty board, `resolving`. */
export function board(): Board {
  const steps = new Map<Digest, { step: Step; version: number }>()
  let state: State = 'resolving'
  let target: Digest | undefined
  let resolved: Answered | undefined
  let version = 0
  let changed = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()

  const bump = () => {
    version++
    changed.resolve()
    changed = Promise.withResolvers()
  }

  async function* watch({ signal, pauseMs }: { signal: AbortSignal; pauseMs: number }) {
    let seen = -1
    while (true) {
      const since = seen
      seen = version
      const news = [...steps.values()].filter((entry) => entry.version > since).map((entry) => entry.step)
      yield { state, ...(target && { digest: target }), ...(resolved && { resolved }), steps: news }
      if (hasEnded(state) && seen === version) return
      if (seen === version) await given(signal, changed.promise)
      await given(signal, Promise.race([ended.promise, pause(pauseMs, signal)]))
    }
  }

  return {
    get state() {
      return state
    },
    get digest() {
      return target
    },
    get resolved() {
      return resolved
    },
    get steps() {
      return [...steps.values()].map((entry) => entry.step)
    },
    find: ({ digest }) => steps.get(digest)?.step,
    mark(descriptor, change) {
      const before = steps.get(descriptor.digest)?.step ?? { descriptor, status: 'resolved' as const, offset: 0 }
      steps.set(descriptor.digest, { step: { ...before, ...change }, version: version + 1 })
      bump()
    },
    enter(next, digest) {
      state = next
      target = digest ?? target
      bump()
      if (hasEnded(next)) ended.resolve()
    },
    answered: (how) => void (resolved = how),
    watch,
  }
}

/** Changes that come close together are told together. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => setTimeout(ms, undefined, { signal, ref: false })
