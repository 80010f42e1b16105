import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Answered, pull, Step } from '../../messages/pull.ts'
import { retry } from '../../runtime/retry.ts'
import type { Session } from '../command/session.ts'
import { jsonWatcher, plainWatcher, screenWatcher, type Watcher } from '../screen/watchers.ts'
import { ageOf, staleness } from './answered.ts'
import { sayNotKept } from './not-kept.ts'

/** What pull, fetch and unpack may be asked for alike. */
export interface BringOptions {
  readonly platform?: string
  readonly detach?: boolean
}

type Puller = Client<typeof pull>

/** What is to be brought, and how it is begun. */
interface Bringing {
  readonly reference: string
  /** nothing is fetched: its blobs are here */
  readonly unfetched?: boolean
  readonly begin: (puller: Puller) => Promise<{ ticket: string }>
}

/**
 * Have a node bring an image, and show how it comes along until it is there, and what of it was not kept; or print the ticket and leave it to it.
 */
export async function bring(
  session: Session,
  { begin, ...watched }: Bringing,
  { detach = false }: Pick<BringOptions, 'detach'>,
): Promise<void> {
  const puller = session.ask<typeof pull>('pull')
  const { ticket } = await begin(puller)
  if (detach) return void process.stdout.write(`${ticket}\n`)
  const notKept = new Map<string, readonly string[]>()
  let answered: Answered | undefined
  {
    using watcher = watcherOf(session, watched)
    for await (const news of follow(puller, ticket, session)) {
      watcher.tell(news)
      answered = news.resolved ?? answered
      for (const step of news.steps) if (step.notKept) notKept.set(step.descriptor.digest, step.notKept)
    }
  }
  if (answered) sayAnswered(session, watched.reference, answered)
  sayNotKept('dist', [...notKept.values()].flat())
}

/** How old the answer is, where that matters. */
function sayAnswered({ listing }: Session, reference: string, answered: Answered): void {
  const age = ageOf(reference, answered)
  if (age !== undefined && !listing.json) process.stdout.write(`${age}\n`)
  const warning = staleness(reference, answered)
  if (warning !== undefined) process.stderr.write(`dist: ${warning}\n`)
}

function watcherOf({ listing }: Session, watched: Omit<Bringing, 'begin'>): Watcher {
  if (listing.json) return jsonWatcher(process.stdout)
  return listing.terminal ? screenWatcher(watched, process.stdout) : plainWatcher(watched, process.stdout)
}

/** A server that was restarted is back in seconds; one that is not by then will not be. */
const patience = { tries: 15, mostMs: 2000 }

/** News of it until it ends. NATS going away for a while ends the watching, not the pull: watch on when it is back. */
export async function* follow(
  puller: Puller,
  ticket: string,
  { signal }: Session,
): AsyncGenerator<{ state: string; digest?: string | undefined; resolved?: Answered | undefined; steps: Step[] }> {
  for (;;) {
    try {
      yield* puller.follow({ ticket })
      return
    } catch (error) {
      if (!isFailure(error, 'unavailable')) throw error
      const { state, digest, resolved, steps, why } = await retry(async () => await puller.status({ ticket }), { signal, ...patience })
      if (why !== undefined) throw Failure.fromData(why)
      yield { state, digest, resolved, steps }
    }
  }
}
