import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { node as nodeProtocol } from '../../messages/node.ts'
import { isNobody } from '../../runtime/bus/packet.ts'
import { complain } from '../command/complain.ts'
import type { Session } from '../command/session.ts'

/** ms a node that did not answer with the others has */
const patienceMs = 1_000

/**
 * Complain of nodes that are there and do not answer; the exit code. There is no list of members: a node is known by having said that it is up, where that is kept, and not that it is down. Of one that
 * was killed NATS says that nobody listens for it any more, and it is not complained of; one that is frozen still has its place there, until NATS notices some minutes later.
 */
export async function complainOfSilent(session: Session, answered: ReadonlySet<string>): Promise<number> {
  const { bus, signal } = session
  const { recall } = await import('../../runtime/bus/stream.ts')
  const known: { node: string; at: string }[] = []
  try {
    for await (const { source, type, time } of recall(bus, { actor: 'node', last: (event) => event.source, signal }))
      if (type !== 'node.down' && !answered.has(source)) known.push({ node: source, at: time })
  } catch (error) {
    // nothing is kept here, or this user may not read it: then nobody is known
    if (signal.aborted) throw error
  }
  const silent = await Promise.all(known.map(async (one) => ((await isSilent(session, one.node)) ? [one] : [])))
  const codes = silent
    .flat()
    .map(({ node, at }) => complain('gantry', new Failure('unavailable', `ask node ${node}: it does not answer, and was up at ${at}`)))
  return codes[0] ?? 0
}

async function isSilent({ ask }: Session, node: string): Promise<boolean> {
  try {
    await ask<typeof nodeProtocol>('node', node).info({}, { timeoutMs: patienceMs })
    return false
  } catch (error) {
    if (isFailure(error, 'cancelled')) throw error
    return !isNobody(error)
  }
}
