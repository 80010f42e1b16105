/** Work done at most so often: at once if it was not lately, else when its time comes, however often it was asked for meanwhile. */
export interface Pace extends Disposable {
  wake(): void
}

export function openPace(ms: number, work: () => void): Pace {
  let timer: NodeJS.Timeout | undefined
  let due = false
  const tick = () => {
    timer = undefined
    if (!due) return
    due = false
    work()
    timer = setTimeout(tick, ms).unref()
  }
  return {
    wake() {
      due = true
      if (timer === undefined) tick()
    },
    [Symbol.dispose]() {
      due = false
      clearTimeout(timer)
    },
  }
}
