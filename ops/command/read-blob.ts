import { createHash } from 'node:crypto'
import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'

/** Most bytes a node gives at once. */
const pieceSize = 512 * 1024
/** Pieces asked for and not yet read. */
const window = 8

/** The bytes of a blob of a node's content store, in order. Fails with data_loss, after the last, when they are not what the digest says. */
export async function* readBlob(
  store: Client<typeof content>,
  { digest, size }: { digest: string; size: number },
  { signal }: { signal: AbortSignal },
): AsyncIterable<Uint8Array> {
  const [algorithm = ''] = digest.split(':')
  const hash = createHash(algorithm)
  const asked: Promise<Uint8Array>[] = []
  let next = 0
  const ask = async (offset: number) => (await store.read({ digest, offset, length: pieceSize })).bytes
  for (;;) {
    for (; asked.length < window && next < size; next += pieceSize) {
      const piece = ask(next)
      // whoever comes to it in turn hears of its failure
      piece.catch(() => {})
      asked.push(piece)
    }
    const bytes = await asked.shift()
    signal.throwIfAborted()
    if (bytes === undefined) break
    hash.update(bytes)
    yield bytes
  }
  const found = `${algorithm}:${hash.digest('hex')}`
  if (found !== digest) throw new Failure('data_loss', `read blob ${digest} of the content store: it is ${found} now`)
}
