import type { WriteStream } from 'node:tty'
import type { Step } from '../../messages/pull.ts'
import { lines, plainLine, summary } from './lines.ts'
import { painter } from './painter.ts'

/** News of a pull: its state, and the steps that changed. */
interface News {
  readonly state: string
  readonly steps: readonly Step[]
}

/** Shows a pull as news of it comes. Disposing it says how it ended. */
export interface Watcher extends Disposable {
  tell(news: News): void
}

type Output = Pick<NodeJS.WritableStream, 'write'>

/** Bars on a terminal. */
export function screenWatcher(reference: string, terminal: WriteStream): Watcher {
  const paint = painter(terminal)
  const steps = new Map<string, Step>()
  const began = performance.now()
  let state = 'resolving'
  const show = () => {
    const progress = { reference, state, steps: [...steps.values()], elapsedMs: performance.now() - began }
    paint.paint((width) => lines(progress, width))
  }
  // time passes also when nothing else happens
  const clock = setInterval(show, 250)
  show()
  return {
    tell(news) {
      state = news.state
      keep(steps, news)
      show()
    },
    [Symbol.dispose]() {
      clearInterval(clock)
      show()
      paint[Symbol.dispose]()
    },
  }
}

/** A line for each step whenever its status changes, for pipes and logs. */
export function plainWatcher(output: Output): Watcher {
  const steps = new Map<string, Step>()
  const began = performance.now()
  return {
    tell(news) {
      const changed = news.steps.filter((step) => steps.get(step.descriptor.digest)?.status !== step.status)
      keep(steps, news)
      for (const step of changed) output.write(`${plainLine(step)}\n`)
    },
    [Symbol.dispose]() {
      output.write(`${summary({ steps: [...steps.values()], elapsedMs: performance.now() - began })}\n`)
    },
  }
}

/** Every piece of news as it came, for programs. */
export const jsonWatcher = (output: Output): Watcher => ({
  tell: (news) => void output.write(`${JSON.stringify(news)}\n`),
  [Symbol.dispose]: () => {},
})

function keep(steps: Map<string, Step>, { steps: changed }: News): void {
  for (const step of changed) steps.set(step.descriptor.digest, step)
}
