import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { content } from '../../../messages/content.ts'
import { type Client, isFailure } from '../../../messages/grammar/index.ts'
import type { ingest } from '../../../messages/ingest.ts'
import type { Digest, Labels } from '../../../messages/words/index.ts'
import { openLent } from '../../../runtime/lent.ts'

export interface StoreComponents {
  readonly ingest: Pick<Client<typeof ingest>, 'open' | 'advance' | 'commit' | 'abort'>
  readonly content: Pick<Client<typeof content>, 'label'>
  /** of the node */
  readonly root: string
}

/** What was written, as who wrote it counted. */
interface Written {
  readonly digest: Digest
  readonly packedSize: number
  readonly labels: Labels
}

interface Asking {
  readonly signal: AbortSignal
  readonly trace: string
}

/** ms: all was hashed as it came, but it may be a lot */
const slowMs = 60_000

/**
 * Make content of what `write` appends; it is checked against what `write` says of it. The same bytes may be there already: then that is what came of it, with the labels too. On
 * failure nothing is left.
 */
export async function store<W extends Written>(
  { ingest, content, root }: StoreComponents,
  { lease }: { lease?: string | undefined },
  write: (append: (bytes: Uint8Array) => void) => Promise<W>,
  asking: Asking,
): Promise<W> {
  const reference = `compare-${randomUUID()}`
  const { token, path } = await ingest.open({ reference, ...(lease !== undefined && { lease }) }, asking)
  try {
    const written = await filled({ ingest, directory: join(root, 'content', 'ingest'), path, token }, write, asking)
    const { digest, packedSize: size, labels } = written
    await ingest.commit({ token, size, digest, labels }, { ...asking, timeoutMs: slowMs }).catch(async (error: unknown) => {
      if (!isFailure(error, 'already_exists')) throw error
      await content.label({ digest, labels }, asking)
    })
    return written
  } catch (error) {
    // Committed, or refused as known, there is none any more.
    await ingest.abort({ reference, token }).catch(() => {})
    throw error
  }
}

interface Filling {
  readonly ingest: Pick<Client<typeof ingest>, 'advance'>
  readonly directory: string
  readonly path: string
  readonly token: string
}

async function filled<W>(
  { ingest, directory, path, token }: Filling,
  write: (append: (bytes: Uint8Array) => void) => Promise<W>,
  { signal, trace }: Asking,
): Promise<W> {
  using file = openLent({ directory, path, offset: 0 })
  const said = saying((offset) => ingest.advance({ token, offset }, { signal, trace }))
  const written = await write((bytes) => {
    file.append(bytes)
    said.reach(file.offset)
  })
  await said.done()
  return written
}

/** Tell how far it is, one telling after another, the latest only; it is hashed as far as was told. */
function saying(tell: (offset: number) => Promise<unknown>): { reach(offset: number): void; done(): Promise<void> } {
  let [reached, told] = [0, 0]
  let telling: Promise<void> | undefined
  let failed: { error: unknown } | undefined
  const run = async (): Promise<void> => {
    try {
      while (told < reached) {
        const offset = reached
        await tell(offset)
        told = offset
      }
    } catch (error) {
      failed = { error }
    } finally {
      telling = undefined
    }
  }
  return {
    reach(offset) {
      reached = offset
      if (failed) throw failed.error
      telling ??= run()
    },
    async done() {
      await telling
      if (failed) throw failed.error
    },
  }
}
