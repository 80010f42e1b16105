import { open } from 'node:fs/promises'
import type { Client } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { client } from '../../runtime/bus/client.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { destination } from '../command/destination.ts'
import { benchNode } from './gantry.ts'
import type { Blob } from './ingest-blobs.ts'
import type { BenchStore, Way } from './ingest-ways.ts'

/** The most `ingest.put` is given here. */
const small = 512 * 1024

/** A node as `gantry up` runs it, asked over its NATS server. */
export async function gantryStore(options: { scratch: string }): Promise<BenchStore> {
  await using stack = new AsyncDisposableStack()
  const { root } = stack.use(await benchNode(options))
  const { nats, subjects, node } = await destination({ root }, {})
  const bus = stack.use(await connectNats(nats, { root: subjects, name: 'bench' }))
  const ingests = client<typeof ingest>(bus, { node, actor: 'ingest' }, { timeoutMs: 60_000 })
  const scope = stack.move()
  return { root, ways: waysOf(ingests), [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

const waysOf = (ingests: Client<typeof ingest>): Way[] => [
  { name: 'put', upTo: small, ingest: async ({ digest, bytes }) => void (await ingests.put({ digest, bytes })) },
  { name: 'lent file', ingest: (blob) => byFile(ingests, blob) },
  { name: 'pieces', ingest: (blob) => byPieces(ingests, blob) },
]

/** As a process of the same machine brings one: into the file it is lent. */
async function byFile(ingests: Client<typeof ingest>, { digest, bytes }: Blob): Promise<void> {
  const { token, path } = await ingests.open({ reference: digest, expected: digest, total: bytes.length })
  const piece = 2 ** 20
  {
    await using file = await open(path, 'r+')
    for (let at = 0; at < bytes.length; at += piece) {
      await file.write(bytes, at, Math.min(piece, bytes.length - at), at)
      // What is said to be there is hashed while the rest is written; the last piece commit finds by itself.
      if (at + piece < bytes.length) await ingests.advance({ token, offset: at + piece })
    }
  }
  await ingests.commit({ token, size: bytes.length })
}

/** As somebody far away brings one: over the bus, each piece answered before the next. */
async function byPieces(ingests: Client<typeof ingest>, { digest, bytes }: Blob): Promise<void> {
  const { token } = await ingests.open({ reference: digest, expected: digest, total: bytes.length })
  for (let at = 0; at < bytes.length; at += small) {
    await ingests.write({ token, offset: at, bytes: bytes.subarray(at, at + small) })
  }
  await ingests.commit({ token, size: bytes.length })
}
