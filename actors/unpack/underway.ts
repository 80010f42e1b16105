import type { Applied, Compared, Underway } from '../../messages/unpack.ts'
import type { Progress } from './apply.ts'

type Item = Progress | Applied | Compared
type Begun = Pick<Underway, 'kind' | 'label' | 'size'>

/** What is being applied or made at the moment, known from the feeds that pass through. */
export interface Watching {
  /** Oldest first. */
  list(): Underway[]
  /** Hand a feed on, and see from its items how far it is; it is listed until it ends. */
  watch<T extends Item>(begun: Begun, feed: AsyncIterable<T>): AsyncGenerator<T>
}

export function watching(): Watching {
  const underway = new Set<Underway>()
  return {
    list: () => [...underway],
    async *watch(begun, feed) {
      const one: Underway = { ...begun, offset: 0, written: 0, entries: 0, startedAt: new Date().toISOString() }
      underway.add(one)
      try {
        for await (const item of feed) {
          if ('offset' in item) Object.assign(one, { offset: item.offset, written: item.written, entries: item.entries })
          yield item
        }
      } finally {
        underway.delete(one)
      }
    },
  }
}
