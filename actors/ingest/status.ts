import { stat } from 'node:fs/promises'
import type { Status } from '../../messages/ingest.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { hasEnded, openLeases } from '../../runtime/keeping/leases.ts'
import { nameOf, thingTable } from '../../runtime/keeping/things.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Lending } from './lending.ts'
import { type Ingest, ingestThing } from './life.ts'

export interface StatusComponents {
  readonly tables: Tables
  readonly blobs: Blobs
  readonly lending: Lending
  readonly now: () => string
}

/** Where an ingest stands. */
export async function statusOf(components: StatusComponents, { id, value, context }: Ingest): Promise<Status> {
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
    ...kept(components, context),
  }
}

/** Bytes on disk of an ingest. */
export const offsetOf = async (blobs: Blobs, reference: string): Promise<number> =>
  (await stat(blobs.ingest(reference).data).catch(() => undefined))?.size ?? 0

/** The lease that holds it, while it lasts; else until when it is kept for having had none, once nobody writes it. */
function kept(
  { tables, now }: StatusComponents,
  { reference, lease, grant, updatedAt }: Ingest['context'],
): Pick<Status, 'lease' | 'expiresAt'> {
  const found = lease === undefined ? undefined : openLeases(tables, { now }).find(lease)
  if (lease !== undefined && found && !hasEnded(found, now())) return { lease }
  if (grant) return {}
  return { expiresAt: thingTable(tables).get(nameOf(ingestThing(reference)))?.until ?? updatedAt }
}

const latest = (one: string, other: string | undefined): string => (other !== undefined && other > one ? other : one)
