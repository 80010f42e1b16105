import type { content } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { snapshot } from '../../messages/snapshot.ts'

/**
 * By kind, how the owner of a thing is asked to take it away. Fails with failed_precondition when something has come to need it, with not_found when it is not there. What
 * is of no kind among these is never collected.
 */
export type Owners = Readonly<Record<string, (key: string, options: { signal: AbortSignal }) => Promise<unknown>>>

interface Asks {
  readonly content: Client<typeof content>
  readonly ingest: Client<typeof ingest>
  readonly snapshot: Client<typeof snapshot>
  readonly image: Client<typeof image>
}

/** ms an owner may take: one thread may have much to remove. */
const timeoutMs = 30_000

export const ownersOf = (asks: Asks): Owners => ({
  content: async (digest, { signal }) => await asks.content.remove({ digest, unheld: true }, { signal, timeoutMs }),
  ingest: async (reference, { signal }) => await asks.ingest.abort({ reference, unheld: true }, { signal, timeoutMs }),
  image: async (name, { signal }) => await asks.image.remove({ name, unheld: true }, { signal, timeoutMs }),
  async snapshot(name, { signal }) {
    const slash = name.indexOf('/')
    await asks.snapshot.remove({ driver: name.slice(0, slash), key: name.slice(slash + 1), unheld: true }, { signal, timeoutMs })
  },
})
