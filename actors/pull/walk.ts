import type { Descriptor } from '../../messages/words/index.ts'

/**
 * Looks at one descriptor and answers with its children. Fetching, looking inside and choosing are each a small handler; a walk is
 * the same whatever they do (facts H1–H3).
 */
export type Handler = (descriptor: Descriptor, options: { signal: AbortSignal }) => Promise<Answer>

/** `children`: go on with these, after the next handler. `stop`: with these, no handler after this one. `skip`: nothing below, siblings go on. */
export type Answer = { readonly children: readonly Descriptor[]; readonly next?: 'stop' | 'skip' }

/** Handlers in order as one: their children joined, until one says stop or skip. */
export function inOrder(...handlers: readonly Handler[]): Handler {
  return async (descriptor, options) => {
    const children: Descriptor[] = []
    for (const handler of handlers) {
      const answer = await handler(descriptor, options)
      if (answer.next === 'skip') return answer
      children.push(...answer.children)
      if (answer.next === 'stop') break
    }
    return { children }
  }
}

/** What is below `handler`'s descriptor, chosen and put in order by `choose`. */
export function choosing(
  handler: Handler,
  choose: (parent: Descriptor, children: readonly Descriptor[]) => readonly Descriptor[],
): Handler {
  return async (descriptor, options) => {
    const answer = await handler(descriptor, options)
    return { ...answer, children: choose(descriptor, answer.children) }
  }
}

/** Visit `roots` and everything below, depth first, one after the other. */
export async function walk(handler: Handler, roots: readonly Descriptor[], options: { signal: AbortSignal }): Promise<void> {
  for (const root of roots) {
    options.signal.throwIfAborted()
    const answer = await handler(root, options)
    if (answer.next !== 'skip') await walk(handler, answer.children, options)
  }
}

/**
 * Run `work` for each item at once and wait for every one to have ended. The first failure aborts the others and is what this fails with.
 */
export async function allOrNone<T, R>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal, index: number) => Promise<R>,
): Promise<R[]> {
  const others = new AbortController()
  const joined = AbortSignal.any([signal, others.signal])
  let first: { error: unknown } | undefined
  const results = await Promise.allSettled(
    items.map(async (item, index) => {
      try {
        return await work(item, joined, index)
      } catch (error) {
        first ??= { error }
        others.abort()
        throw error
      }
    }),
  )
  if (first) throw first.error
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}
