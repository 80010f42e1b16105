import { stat } from 'node:fs/promises'
import type { Status } from '../../messages/ingest.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Lending } from './lending.ts'
import type { Ingest } from './life.ts'

/** Where an ingest stands. */
export async function statusOf(components: { blobs: Blobs; lending: Lending }, { id, value, context }: Ingest): Promise<Status> {
  const { reference, total, expected, startedAt, updatedAt, grant } = context
  const file = await stat(components.blobs.ingest(reference).data).catch(() => undefined)
  return {
    reference,
    state: value as Status['state'],
    offset: components.lending.of(id)?.writer.offset ?? file?.size ?? 0,
    ...(total !== undefined && { total }),
    ...(expected !== undefined && { expected }),
    startedAt,
    updatedAt: latest(updatedAt, file?.mtime.toISOString()),
    ...(grant && { holder: grant.holder }),
  }
}

/** Bytes on disk of an ingest. */
export const offsetOf = async (blobs: Blobs, reference: string): Promise<number> =>
  (await stat(blobs.ingest(reference).data).catch(() => undefined))?.size ?? 0

const latest = (one: string, other: string | undefined): string => (other !== undefined && other > one ? other : one)
