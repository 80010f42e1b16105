/** Several readings of a stream as one. */

/** Something with a place in the stream. */
interface Placed {
  readonly seq: number
}

/** All of several readings by their place in the stream, each once. */
export async function* merged<Item extends Placed>(parts: readonly AsyncGenerator<Item>[]): AsyncGenerator<Item> {
  try {
    const heads = await Promise.all(parts.map((part) => part.next()))
    for (;;) {
      const first = Math.min(...heads.map(({ done, value }) => (done ? Number.POSITIVE_INFINITY : value.seq)))
      const at = heads.findIndex(({ done, value }) => !done && value.seq === first)
      const head = heads[at]
      if (!head || head.done) return
      yield head.value
      for (const [other, part] of parts.entries())
        if (!heads[other]?.done && heads[other]?.value.seq === first) heads[other] = await part.next()
    }
  } finally {
    await Promise.all(parts.map((part) => part.return(undefined)))
  }
}

export async function* filtered<Item>(events: AsyncIterable<Item>, isWanted: (event: Item) => boolean): AsyncGenerator<Item> {
  for await (const event of events) if (isWanted(event)) yield event
}

/** In the order of what is left. */
export async function* newest<Item>(events: AsyncIterable<Item>, of: (event: Item) => string): AsyncGenerator<Item> {
  const last = new Map<string, Item>()
  for await (const event of events) {
    const thing = of(event)
    last.delete(thing)
    last.set(thing, event)
  }
  yield* last.values()
}
