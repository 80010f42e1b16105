/** Work done at most so often, the first time not before so long: then at once if it was not lately, else when its time comes, however often it was asked for meanwhile. */
export interface Pace extends Disposable {
  wake(): void
}

export function openPace(ms: number, work: () => void): Pace {
  let due = false
  function tick(): void {
    timer = undefined
    if (!due) return
    due = false
    work()
    timer = setTimeout(tick, ms).unref()
  }
  let timer: NodeJS.Timeout | undefined = setTimeout(tick, ms).unref()
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
