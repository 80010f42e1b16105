import { type Command, InvalidArgumentError } from 'commander'
import { Failure, nodeName } from '../../messages/grammar/index.ts'
import type { NodeInfo, node as nodeProtocol } from '../../messages/node.ts'
import { gather } from '../../runtime/bus/gather.ts'
import { complain } from '../command/complain.ts'
import type { Session } from '../command/session.ts'

/** Which nodes a command is for, when it is not for one. */
export interface NodesOptions {
  readonly allNodes?: boolean
  readonly nodes?: readonly string[]
}

/** `--all-nodes` and `--nodes`. */
export const addNodes = (command: Command): Command =>
  command
    .option('--all-nodes', 'on every node that does not drain')
    .option('--nodes <names>', 'on these nodes, a comma between two', namesOf)

/** Whether any were named. */
export const forNodes = ({ allNodes, nodes }: NodesOptions): boolean => allNodes === true || nodes !== undefined

/** Those that take it, by name. Others are named on standard error: one that drains is passed over, one that does not answer makes the exit code. Fails when none is left. */
export async function chooseNodes(
  session: Session,
  { allNodes, nodes }: NodesOptions,
  attempted: string,
): Promise<{ nodes: string[]; exit: number }> {
  if (allNodes && nodes) throw new Failure('invalid_argument', `${attempted}: both --all-nodes and --nodes were given`)
  let exit = 0
  const taking: string[] = []
  for await (const answer of nodes ? ask(session, nodes) : askAll(session)) {
    if (answer instanceof Failure) {
      const said = complain('dist', new Failure(answer.code, `${attempted}: ${answer.message}`))
      exit ||= said
    } else if (answer.state === 'draining') process.stderr.write(`dist: passed over: ${answer.node} drains\n`)
    else taking.push(answer.node)
  }
  if (taking.length === 0 && exit === 0) throw new Failure('failed_precondition', `${attempted}: no node takes it`)
  return { nodes: taking.toSorted(), exit }
}

type Answer = NodeInfo | Failure

async function* ask({ ask: asks }: Session, nodes: readonly string[]): AsyncGenerator<Answer> {
  const answers = nodes.map(async (node): Promise<Answer> => {
    try {
      return await asks<typeof nodeProtocol>('node', node).info({})
    } catch (error) {
      const { code, message } = Failure.from(error)
      if (code === 'cancelled') throw error
      return new Failure(code, `node ${node} does not answer: ${message}`)
    }
  })
  for (const answer of answers) yield await answer
}

/** ms in which a node that is busy answers */
const stallMs = 1_000

async function* askAll({ bus, signal }: Session): AsyncGenerator<Answer> {
  for await (const answer of gather<typeof nodeProtocol, 'info'>(bus, 'node', 'info', {}, { stallMs, signal }))
    yield 'reply' in answer ? answer.reply : answer.failure
}

function namesOf(text: string): string[] {
  try {
    return [...new Set(text.split(',').map(nodeName))]
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Failure).message}.`)
  }
}
