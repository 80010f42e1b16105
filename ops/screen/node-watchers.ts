import type { WriteStream } from 'node:tty'
import { type NodeProgress, nodeLines, plainNodeLine } from './nodes.ts'
import { painter } from './painter.ts'

/** Shows a pull on many nodes as news of it comes. */
export interface NodesWatcher extends Disposable {
  /** Something changed on a node. */
  changed(progress: NodeProgress): void
  /** It has ended there; `more` is for programs. */
  ended(progress: NodeProgress, more: Readonly<Record<string, unknown>>): void
}

type Output = Pick<NodeJS.WritableStream, 'write'>

/** A line a node on a terminal, rewritten. */
export function nodesOnScreen(reference: string, now: () => readonly NodeProgress[], terminal: WriteStream): NodesWatcher {
  const paint = painter(terminal)
  const show = () => paint.paint((width) => nodeLines(reference, now(), width))
  // time passes also when nothing else happens
  const clock = setInterval(show, 250)
  show()
  return {
    changed: show,
    ended: show,
    [Symbol.dispose]() {
      clearInterval(clock)
      show()
      paint[Symbol.dispose]()
    },
  }
}

/** A line whenever the state of a node changes, for pipes and logs. */
export function nodesInLines(output: Output): NodesWatcher {
  const told = new Map<string, string>()
  const tell = (progress: NodeProgress) => {
    if (told.get(progress.node) === progress.state) return
    told.set(progress.node, progress.state)
    output.write(`${plainNodeLine(progress)}\n`)
  }
  return { changed: tell, ended: tell, [Symbol.dispose]: () => {} }
}

/** An object a node, when it has ended there, for programs. */
export const nodesAsJson = (output: Output): NodesWatcher => ({
  changed: () => {},
  ended: (progress, more) => void output.write(`${JSON.stringify({ ...progress, ...more })}\n`),
  [Symbol.dispose]: () => {},
})
