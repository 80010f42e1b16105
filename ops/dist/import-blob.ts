import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { ArchivedBlob } from '../command/layout-archive.ts'
import type { Session } from '../command/session.ts'
import { ingestInput } from './ingest-input.ts'

/** Most bytes that are sent in one message. */
const small = 256 * 1024

/** Bring a blob of an archive into the store, held by the lease. One that is there is not read. Fails with data_loss when it is not what its name says; nothing of it stays then. */
export async function importBlob(session: Session, { digest, size, content }: ArchivedBlob, { lease }: { lease: string }): Promise<void> {
  const store = session.ask<typeof ingest>('ingest')
  try {
    if (size <= small) await store.put({ digest, bytes: await whole(content), lease })
    else {
      const input = { name: `blob ${digest} of the archive`, bytes: content }
      await ingestInput(session, input, { reference: digest, expected: digest, total: size, lease })
    }
  } catch (error) {
    if (isFailure(error, 'already_exists')) return
    if (!isFailure(error, 'failed_precondition') || error.details?.['reason'] !== 'digest') throw error
    await store.abort({ reference: digest }).catch(() => {})
    throw new Failure('data_loss', `import blob ${digest}: ${error.message}`, { cause: error })
  }
}

const whole = async (content: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(Buffer.concat(await Array.fromAsync(content)))
