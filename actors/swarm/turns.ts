/** Pieces taken from others at once, of all blobs together. */
export interface Turns {
  /** Begin one. Answers what is to be called when it is over; undefined when there are enough, and then `free` is called once there are not. */
  begin(free: () => void): (() => void) | undefined
}

/** So many at once. */
export function openTurns(most: number): Turns {
  let running = 0
  let waiting = new Set<() => void>()
  return {
    begin(free) {
      if (running >= most) return void waiting.add(free)
      running++
      return () => {
        running--
        const told = waiting
        waiting = new Set()
        for (const one of told) one()
      }
    },
  }
}
