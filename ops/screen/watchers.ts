import type { WriteStream } from 'node:tty'
import type { Step } from '../../messages/pull.ts'
import { printable } from '../command/printable.ts'
import { lines, plainLine, summary } from './lines.ts'
import { painter } from './painter.ts'

/** News of a pull: its state, and the steps that changed. */
interface News {
  readonly state: string
  readonly steps: readonly Step[]
}

/** Shows a pull as news of it comes. Disposing it says how it ended. Of one that finds everything here nothing else is shown. */
export interface Watcher extends Disposable {
  tell(news: News): void
}

type Output = Pick<NodeJS.WritableStream, 'write'>

/** What is watched. */
interface Watched {
  readonly reference: string
  /** nothing is fetched: all blobs were here before */
  readonly unfetched?: boolean | undefined
}

/** Bars on a terminal, from when there is something to do. */
export function screenWatcher({ reference, unfetched }: Watched, terminal: WriteStream): Watcher {
  const known = knowledge(unfetched)
  const paint = painter(terminal)
  const show = () => {
    const { state, steps, elapsedMs, here } = known
    const progress = { reference, state, steps: known.idle ? [] : steps, elapsedMs, here }
    paint.paint((width) => lines(progress, width))
  }
  // time passes also when nothing else happens
  const clock = setInterval(show, 250)
  show()
  return {
    tell(news) {
      known.learn(news)
      show()
    },
    [Symbol.dispose]() {
      clearInterval(clock)
      if (known.needless) paint.paint(() => [`${printable(reference)}: all of it is here already`])
      else show()
      paint[Symbol.dispose]()
    },
  }
}

/** A line for each step whenever its status changes, for pipes and logs; or one that says that the image is here. */
export function plainWatcher({ reference, unfetched }: Watched, output: Output): Watcher {
  const known = knowledge(unfetched)
  const told = new Map<string, Step['status']>()
  const write = () => {
    for (const step of known.steps) {
      const { digest } = step.descriptor
      if (told.get(digest) === step.status) continue
      told.set(digest, step.status)
      output.write(`${plainLine(step)}\n`)
    }
  }
  return {
    tell(news) {
      known.learn(news)
      if (!known.idle) write()
    },
    [Symbol.dispose]() {
      if (known.needless) return void output.write(`exists\timage\t${known.steps[0]?.descriptor.digest ?? ''}\t${printable(reference)}\n`)
      write()
      output.write(`${summary(known)}\n`)
    },
  }
}

/** Every piece of news as it came, for programs. */
export const jsonWatcher = (output: Output): Watcher => ({
  tell: (news) => void output.write(`${JSON.stringify(news)}\n`),
  [Symbol.dispose]: () => {},
})

/** All that news have told so far. */
interface Knowledge {
  readonly state: string
  /** in the order they became known */
  readonly steps: readonly Step[]
  readonly elapsedMs: number
  /** digests of what was here before */
  readonly here: ReadonlySet<string>
  /** nothing had to be done so far */
  readonly idle: boolean
  /** it is over, and nothing had to be done */
  readonly needless: boolean
  learn(news: News): void
}

function knowledge(unfetched = false): Knowledge {
  const steps = new Map<string, Step>()
  const here = new Set<string>()
  const began = performance.now()
  let state = 'resolving'
  let idle = true
  return {
    here,
    get state() {
      return state
    },
    get steps() {
      return [...steps.values()]
    },
    get elapsedMs() {
      return performance.now() - began
    },
    get idle() {
      return idle
    },
    get needless() {
      return idle && state === 'done' && steps.size > 0
    },
    learn(news) {
      state = news.state
      for (const step of news.steps) {
        steps.set(step.descriptor.digest, step)
        if (unfetched || step.status === 'exists') here.add(step.descriptor.digest)
        idle &&= isIdle(step)
      }
    },
  }
}

/** Neither is a layer that waits to be looked for at work. */
const isIdle = ({ status }: Step): boolean => status === 'exists' || status === 'resolved' || status === 'waiting'
