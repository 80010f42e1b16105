/** Every step of a content store once, for a process that is killed at one of them, and for one that goes on from there. */
import { open } from 'node:fs/promises'
import { isFailure } from '../../messages/grammar/index.ts'
import { digestOf, type Store } from '../support/content.ts'

/** What is there in the end. */
export const brought: readonly Buffer[] = ['sent in pieces', 'written to the lent file'].map((text) => Buffer.from(text))

/** Bring blobs in every way there is, wrongly first, throw an ingest away and remove a blob. What one before has left is gone on with. */
export async function takeSteps({ ingest, content }: Store): Promise<void> {
  const [sent, filed, small, wrong] = [...brought, Buffer.from('put whole'), Buffer.from('not what was meant')] as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]

  async function put(): Promise<void> {
    await ingest.put({ digest: digestOf(small), bytes: small })
  }

  async function send(): Promise<void> {
    const { token, offset } = await ingest.open({ reference: 'pieces', expected: digestOf(sent), total: sent.length })
    for (let at = offset; at < sent.length; at += 6) await ingest.write({ token, offset: at, bytes: sent.subarray(at, at + 6) })
    await ingest.commit({ token, labels: { by: 'steps' } })
  }

  async function sendWrong(): Promise<void> {
    const { token } = await ingest.open({ reference: 'file' })
    await ingest.truncate({ token })
    await ingest.write({ token, offset: 0, bytes: wrong })
    await ingest.commit({ token, digest: digestOf(filed) })
  }

  async function file(): Promise<void> {
    const { token, path } = await ingest.open({ reference: 'file' })
    await ingest.truncate({ token })
    {
      await using lent = await open(path, 'r+')
      await lent.write(filed, 0, filed.length, 0)
    }
    await ingest.advance({ token, offset: filed.length })
    await ingest.commit({ token, size: filed.length, digest: digestOf(filed) })
  }

  async function abort(): Promise<void> {
    const { token } = await ingest.open({ reference: 'lost', total: 100 })
    await ingest.close({ token })
    await ingest.abort({ reference: 'lost' })
  }

  for (const step of [put, send, sendWrong, file, abort]) await step().catch(unlessDone)
  await content.remove({ digest: digestOf(small) })
}

/** It is there already, or was refused as it is meant to be. */
function unlessDone(error: unknown): void {
  if (!isFailure(error, 'already_exists', 'failed_precondition')) throw error
}
