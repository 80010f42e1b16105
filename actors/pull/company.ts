import type { Gained } from '../../messages/swarm.ts'
import type { Digest } from '../../messages/words/index.ts'

/** Who else pulls the same at the moment. */
export interface Company extends AsyncDisposable {
  /** Whether anybody does. */
  readonly any: boolean
}

/** Where those who want the same blob tell one another what they have. */
export interface Told extends AsyncDisposable {
  tell(gained: Omit<Gained, 'node'>): void
}

export type Enter = (digest: Digest, heard: (gained: Gained) => void) => Promise<Told>

/** Nobody else is asked, or told. */
export const nobody: Enter = async () => ({ tell: () => {}, [Symbol.asyncDispose]: async () => {} })

/**
 * Be known to the others who pull what has this digest, and know of them: who comes tells those who are there, and each of them tells it so. There is nothing to wait for, so who comes at the same
 * moment is known a moment later.
 */
export async function keepCompany(enter: Enter, digest: Digest): Promise<Company> {
  const known = new Set<string>()
  // Who is heard while we enter is told with all the others, when we have.
  let answer = (): void => {}
  const room = await enter(digest, ({ node, left }) => {
    if (left) known.delete(node)
    else if (!known.has(node)) {
      known.add(node)
      answer()
    }
  })
  answer = () => room.tell({})
  answer()
  return {
    get any() {
      return known.size > 0
    },
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  }
}
