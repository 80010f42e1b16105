/** Nodes that are not believed for a while, whatever the blob. */
export interface Grudges {
  /** One more, from now on. */
  hold(node: string): void
  against(node: string): boolean
}

/** ms one is held */
const heldMs = 300_000
/** Held at once; the oldest is let go of for one more. */
const most = 1_000

export function openGrudges({ now }: { now: () => number }): Grudges {
  const until = new Map<string, number>()
  return {
    hold(node) {
      until.delete(node)
      until.set(node, now() + heldMs)
      const [oldest] = until.keys()
      if (until.size > most && oldest !== undefined) until.delete(oldest)
    },
    against: (node) => (until.get(node) ?? 0) > now(),
  }
}
