import type { ingestMachine } from '../../machines/ingest.ts'
import { isFailure, type Log } from '../../messages/grammar/index.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Lending, Lent } from './lending.ts'

export interface ClosingComponents {
  readonly records: Records<typeof ingestMachine>
  readonly lending: Lending
  readonly log: Log
  readonly now: () => string
}

/** How what was lent comes back unfinished. The bytes stay. */
export interface Closing {
  /** What its writer does with it no more. Fails with not_found when the token is not, or no longer, good for anything. */
  close(token: string): Promise<void>
  /** As close, when its writer is dead: what is closed already, or being committed, is left at that, what is being closed waited for. Never rejects. */
  bereave(token: string): Promise<void>
  /** The lock alone, if this token still has it. */
  giveBack(id: string, token: string): Promise<void>
}

export function openClosing({ records, lending, log, now }: ClosingComponents): Closing {
  const underWay = new Map<string, Promise<void>>()

  async function close(token: string): Promise<void> {
    const closed = takeBack(lending.take(token)).finally(() => underWay.delete(token))
    underWay.set(token, closed)
    await closed
  }

  async function takeBack(lent: Lent): Promise<void> {
    await lent.writer.release()
    await lending.drop(lent)
    await giveBack(lent.id, lent.token)
  }

  async function giveBack(id: string, token: string): Promise<void> {
    const ingest = records.get(id)
    if (ingest?.context.grant?.token === token && records.can(id, { type: 'close', at: now() })) {
      await records.send(id, { type: 'close', at: now() })
    }
  }

  return {
    close,
    giveBack,
    bereave: (token) =>
      (underWay.get(token) ?? close(token)).catch((error: unknown) => {
        if (!isFailure(error, 'not_found')) log.warn({ error }, 'close what a dead writer held')
      }),
  }
}
