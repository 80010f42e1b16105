import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { pull } from '../../messages/pull.ts'
import type { swarm } from '../../messages/swarm.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { complain } from '../command/complain.ts'
import { print } from '../command/output.ts'
import type { Session } from '../command/session.ts'
import { type NodesWatcher, nodesAsJson, nodesInLines, nodesOnScreen } from '../screen/node-watchers.ts'
import { follow } from './bring.ts'
import { chooseNodes, type NodesOptions } from './choose-nodes.ts'
import { type NodeStanding, standing } from './node-standing.ts'

type Request = Parameters<Client<typeof pull>['start']>[0]

/** A pull that was begun on a node. */
interface Begun {
  readonly node: string
  readonly ticket: string
  /** it was not on its way already */
  readonly ours: boolean
}

/**
 * Pull on several nodes at once, and show how each comes along; or print the tickets and leave it to them. What one node cannot do is complained of, the others go on; the exit code is that of the
 * first that failed. Given up, it cancels what it began.
 */
export async function pullNodes(session: Session, request: Request, options: NodesOptions & { detach?: boolean }): Promise<number> {
  const attempted = `pull ${request.reference}`
  const chosen = await chooseNodes(session, options, attempted)
  const all = new Map(chosen.nodes.map((node) => [node, standing(node)]))
  await using heard = listen<typeof swarm, 'brought'>(
    session.bus,
    { actor: 'swarm', fact: 'brought' },
    { handler: ({ source, data }) => all.get(source)?.brought(data) },
  )
  await heard.ready
  let exit = chosen.exit
  const failed = (node: string, error: unknown) => {
    const { code, message } = Failure.from(error)
    const said = complain('dist', new Failure(code, `on ${node}: ${message}`))
    exit ||= said
  }
  const begun = await begin(session, request, { nodes: chosen.nodes, failed })
  if (options.detach) {
    print(begun.map(({ node, ticket }) => (session.listing.json ? JSON.stringify({ node, ticket }) : `${node}\t${ticket}`)))
    return exit
  }
  const failures = await followAll(session, { reference: request.reference, begun, all })
  for (const [node, failure] of failures) failed(node, failure)
  return exit
}

/** Begin everywhere. They answer at once, so that it is known what was begun whenever it is given up. */
async function begin(
  { ask }: Session,
  request: Request,
  { nodes, failed }: { nodes: readonly string[]; failed: (node: string, error: unknown) => void },
): Promise<Begun[]> {
  const unstoppable = { signal: undefined }
  const tried = nodes.map(async (node): Promise<Begun | undefined> => {
    const puller = ask<typeof pull>('pull', node)
    try {
      const { pulls } = await puller.list({}, unstoppable)
      const { ticket } = await puller.start(request, unstoppable)
      return { node, ticket, ours: !pulls.some((one) => one.ticket === ticket && one.finishedAt === undefined) }
    } catch (error) {
      failed(node, error)
      return undefined
    }
  })
  return (await Promise.all(tried)).filter((one) => one !== undefined)
}

interface Following {
  readonly reference: string
  readonly begun: readonly Begun[]
  readonly all: ReadonlyMap<string, NodeStanding>
}

/** Follow all to their ends; answers why some failed. */
async function followAll(session: Session, { reference, begun, all }: Following): Promise<Map<string, Failure>> {
  const failures = new Map<string, Failure>()
  const standings = begun.flatMap(({ node }) => all.get(node) ?? [])
  using watcher = watcherOf(session, reference, standings)
  await Promise.all(
    begun.map(async (one) => {
      const here = all.get(one.node)
      const why = here && (await followOne(session, one, here, watcher))
      if (why) failures.set(one.node, why)
    }),
  )
  session.signal.throwIfAborted()
  return failures
}

async function followOne(session: Session, one: Begun, here: NodeStanding, watcher: NodesWatcher): Promise<Failure | undefined> {
  const { node, ticket } = one
  const puller = session.ask<typeof pull>('pull', node)
  let why: Failure | undefined
  try {
    for await (const news of follow(puller, ticket, session)) {
      here.learn(news)
      watcher.changed(here.progress)
    }
    if (here.progress.state !== 'done') throw new Failure('cancelled', 'the pull was cancelled')
  } catch (error) {
    why = Failure.from(error)
    if (session.signal.aborted) await cancel(puller, one)
  }
  await here.end(why && (isFailure(why, 'cancelled') ? 'cancelled' : 'failed'), session)
  watcher.ended(here.progress, { ticket, ...(here.digest && { digest: here.digest }), ...(why && { why: why.toJSON() }) })
  return why
}

/** Stop one that this command began. */
async function cancel(puller: Client<typeof pull>, { ticket, ours, node }: Begun): Promise<void> {
  if (!ours) return
  try {
    await puller.cancel({ ticket }, { signal: undefined })
  } catch (error) {
    const { code, message } = Failure.from(error)
    // it has ended by itself meanwhile
    if (code !== 'failed_precondition') complain('dist', new Failure(code, `on ${node}: cancel pull ${ticket}: ${message}`))
  }
}

function watcherOf({ listing }: Session, reference: string, all: readonly NodeStanding[]): NodesWatcher {
  if (listing.json) return nodesAsJson(process.stdout)
  if (!listing.terminal) return nodesInLines(process.stdout)
  return nodesOnScreen(reference, () => all.map(({ progress }) => progress), process.stdout)
}
