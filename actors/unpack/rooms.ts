/** Memory to decode into: two rooms in turn, one is used while the other is filled. Disposing gives them back. */
export interface Rooms extends Disposable {
  next(): Buffer
}

/** Bytes of a room: a few hundred chunks a second, and what one step makes is not out of the processor's caches before it is used. */
const roomBytes = 512 * 1024

/** Kept for the next layer: memory that comes and goes is cleared by the kernel each time, and its collector stops the thread. */
const spare: Buffer[] = []
const kept = 4

/** Only when nobody writes to them any more may they be given back. */
export function takeRooms(): Rooms {
  const rooms = [spare.pop() ?? Buffer.allocUnsafeSlow(roomBytes), spare.pop() ?? Buffer.allocUnsafeSlow(roomBytes)] as const
  let turn = 0
  return {
    next: () => rooms[turn++ % 2 === 0 ? 0 : 1],
    [Symbol.dispose]() {
      for (const room of rooms) if (spare.length < kept) spare.push(room)
    },
  }
}
