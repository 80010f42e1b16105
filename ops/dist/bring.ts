import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { pull } from '../../messages/pull.ts'
import { retry } from '../../runtime/retry.ts'
import type { Session } from '../command/session.ts'
import { jsonWatcher, plainWatcher, screenWatcher, type Watcher } from '../screen/watchers.ts'

/** What pull and fetch may be asked for alike. */
export interface BringOptions {
  readonly platform?: string
  readonly detach?: boolean
}

type Puller = Client<typeof pull>
type Request = Parameters<Puller['start']>[0]

/** Have a node bring an image, and show how it comes along until it is there; or print the ticket and leave it to it. */
export async function bring(
  session: Session,
  request: Omit<Request, 'platform'>,
  { platform, detach = false }: BringOptions,
): Promise<void> {
  const puller = session.ask<typeof pull>('pull')
  const { ticket } = await puller.start({ ...request, ...(platform !== undefined && { platform: await platformOf(platform) }) })
  if (detach) return void process.stdout.write(`${ticket}\n`)
  using watcher = watcherOf(session, request.reference)
  await follow(puller, ticket, watcher, session)
}

async function platformOf(text: string) {
  const { parsePlatform } = await import('../../messages/words/platform.ts')
  const platform = parsePlatform(text)
  if (platform === undefined)
    throw new Failure('invalid_argument', `pull for platform ${JSON.stringify(text)}: os/architecture is wanted, such as linux/amd64`)
  return platform
}

function watcherOf({ listing }: Session, reference: string): Watcher {
  if (listing.json) return jsonWatcher(process.stdout)
  return listing.terminal ? screenWatcher(reference, process.stdout) : plainWatcher(process.stdout)
}

/** A server that was restarted is back in seconds; one that is not by then will not be. */
const patience = { tries: 15, mostMs: 2000 }

/** Watch until it ends. NATS going away for a while ends the watching, not the pull: watch on when it is back. */
async function follow(puller: Puller, ticket: string, watcher: Watcher, { signal }: Session): Promise<void> {
  for (;;) {
    try {
      for await (const item of puller.follow({ ticket })) watcher.tell(item)
      return
    } catch (error) {
      if (!isFailure(error, 'unavailable')) throw error
      const { state, steps, why } = await retry(async () => await puller.status({ ticket }), { signal, ...patience })
      if (why !== undefined) throw Failure.fromData(why)
      watcher.tell({ state, steps })
    }
  }
}
