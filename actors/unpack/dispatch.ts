/** Gives each feed to the worker that has the fewest at that moment; among equals to the one that had none for longest. */
export function leastBusy<W>(workers: readonly W[]): <T>(ask: (worker: W) => AsyncIterable<T>) => AsyncGenerator<T> {
  const desks = workers.map((worker) => ({ worker, running: 0, last: 0 }))
  let turn = 0
  return async function* (ask) {
    const [desk] = desks.toSorted((one, other) => one.running - other.running || one.last - other.last)
    if (desk === undefined) throw new Error('there is no worker')
    desk.running++
    desk.last = ++turn
    try {
      yield* ask(desk.worker)
    } finally {
      desk.running--
    }
  }
}
