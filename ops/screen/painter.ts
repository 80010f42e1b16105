import type { WriteStream } from 'node:tty'

/** Rewrites the same lines of a terminal. Disposing it leaves the last ones standing. */
export interface Painter extends Disposable {
  /** Show what `view` gives for the terminal's size; soon, not at once, so that a flood of news costs a few paintings a second. */
  paint(view: (width: number) => string[]): void
}

const everyMs = 80

/** A painter on a terminal. */
export function painter(terminal: Pick<WriteStream, 'write' | 'columns' | 'rows'>): Painter {
  let painted = 0
  let latest: ((width: number) => string[]) | undefined
  let timer: NodeJS.Timeout | undefined
  const draw = () => {
    timer = undefined
    if (latest === undefined) return
    // what is taller than the terminal could not be gone back over
    const lines = fit(latest((terminal.columns || 80) - 1), (terminal.rows || 24) - 1)
    const up = painted > 0 ? `\x1b[${painted}A` : ''
    terminal.write(`${up}\r${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[J`)
    painted = lines.length
    latest = undefined
  }
  return {
    paint(view) {
      latest = view
      timer ??= setTimeout(draw, everyMs)
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      draw()
    },
  }
}

/** The first and the last lines, when there are more than fit. */
const fit = (lines: readonly string[], rows: number): readonly string[] =>
  lines.length <= rows ? lines : [...lines.slice(0, rows - 2), `… ${lines.length - rows + 1} more`, ...lines.slice(-1)]
