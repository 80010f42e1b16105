import type { Gathered } from '../../runtime/bus/gather.ts'
import { complain } from '../command/complain.ts'
import type { Session } from '../command/session.ts'
import { complainOfSilent } from './silent-nodes.ts'

/** What a question to every node came to. */
interface Everybody<Reply> {
  /** by node */
  readonly replies: { readonly node: string; readonly reply: Reply }[]
  readonly exit: number
}

/** Take what every node answers. Those that fail, or are there and say nothing, are complained of, and make the exit code. */
export async function everybody<Reply>(session: Session, answers: AsyncIterable<Gathered<Reply>>): Promise<Everybody<Reply>> {
  const replies: { node: string; reply: Reply }[] = []
  const answered = new Set<string>()
  let exit = 0
  for await (const answer of answers) {
    answered.add(answer.node)
    if ('reply' in answer) replies.push(answer)
    else {
      const said = complain('gantry', answer.failure)
      exit ||= said
    }
  }
  const silent = await complainOfSilent(session, answered)
  return { replies: replies.toSorted((one, other) => one.node.localeCompare(other.node)), exit: exit || silent }
}
