import type { Command } from 'commander'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import { retry } from '../../runtime/retry.ts'
import { asking, type Session } from '../command/session.ts'
import { jsonWatcher, plainWatcher, screenWatcher, type Watcher } from '../screen/watchers.ts'

interface PullOptions {
  readonly platform?: string
  readonly driver?: string
  readonly unpack?: boolean
  readonly detach?: boolean
}

type Puller = Client<typeof pullProtocol>

/** `dist pull REF`: bring an image, and show how it comes along. */
export function pull(command: Command): void {
  command
    .argument('<reference>', 'image: host/repository:tag, or @digest')
    .option('--platform <os/architecture>', 'that of the node if left out')
    .option('--driver <name>', 'snapshot driver; the node’s default if left out')
    .option('--no-unpack', 'bring the content only')
    .option('--detach', 'print the ticket and do not wait')
    .action(
      asking<PullOptions>(async (session, { args, options }) => {
        const puller = session.ask<typeof pullProtocol>('pull')
        const reference = args[0] ?? ''
        const { ticket } = await puller.start({ reference, ...(await requestOf(options)) })
        if (options.detach) return void process.stdout.write(`${ticket}\n`)
        using watcher = watcherOf(session, reference)
        await follow(puller, ticket, watcher, session)
      }),
    )
}

async function requestOf({ platform, driver, unpack }: PullOptions) {
  return {
    unpack: unpack ?? true,
    ...(driver !== undefined && { driver }),
    ...(platform !== undefined && { platform: await platformOf(platform) }),
  }
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
