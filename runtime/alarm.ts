/** Rings once at the earliest of the times it is set to, and not after it is disposed. A process does not stay up for it. */
export interface Alarm extends Disposable {
  /** Ring at that time, RFC 3339, at the latest; at once if it has passed. */
  by(time: string): void
}

export interface AlarmInit {
  /** now, RFC 3339 */
  readonly now: () => string
  readonly ring: () => void
}

/** An alarm set to no time. Once it has rung it is set to none again. */
export function openAlarm({ now, ring }: AlarmInit): Alarm {
  let due: number | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function wait(): void {
    clearTimeout(timer)
    if (due === undefined) return
    timer = setTimeout(look, Math.min(Math.max(0, due - Date.parse(now())), longest)).unref()
  }
  function look(): void {
    // The wait was cut to what a timer can do, or the clock was set back.
    if (due !== undefined && Date.parse(now()) < due) wait()
    else {
      due = undefined
      ring()
    }
  }

  return {
    by(time) {
      const at = Date.parse(time)
      if (closed || (due !== undefined && due <= at)) return
      due = at
      wait()
    },
    [Symbol.dispose]() {
      closed = true
      due = undefined
      clearTimeout(timer)
    },
  }
}

/** ms of the longest timer there is */
const longest = 2 ** 31 - 1
