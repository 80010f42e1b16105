/** The page of machines: every machine in `machines/`, drawn. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AnyStateMachine, type AnyStateNode, type AnyTransitionDefinition, StateMachine } from 'xstate'
import { toDirectedGraph } from 'xstate/graph'

const directory = join(import.meta.dirname, '../../machines')

/** The text of `ops/docs/machines.md`. */
export async function machinesPage(): Promise<string> {
  const machines = await allMachines()
  return [intro, ...machines.map(({ file, machine }) => chapter(file, machine))].join('\n')
}

/** Every machine of `machines/`, by file, in the order of their names. */
export async function allMachines(): Promise<{ file: string; machine: AnyStateMachine }[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.ts')).toSorted()
  const found = files.map(async (file) => {
    const exported = Object.values((await import(join(directory, file))) as Record<string, unknown>)
    return exported.filter((value): value is AnyStateMachine => value instanceof StateMachine).map((machine) => ({ file, machine }))
  })
  return (await Promise.all(found)).flat()
}

/** A machine as a Mermaid state diagram: arrows say event, condition and actions; notes say what is done on the way in. */
export function mermaid(machine: AnyStateMachine): string {
  const { children: nodes } = toDirectedGraph(machine)
  const states = nodes.map(({ stateNode }) => stateNode)
  const arrows = nodes.flatMap(({ edges }) => edges.map(({ source, target, transition }) => arrow(source, target, transition)))
  // What is said at the top holds in every state that is not the end.
  const everywhere = [...machine.root.transitions.values()].flat()
  const alive = states.filter(({ type }) => type !== 'final')
  const fromAll = everywhere.flatMap((transition) =>
    (transition.target ?? []).flatMap((target) => alive.map((source) => arrow(source, target, transition))),
  )
  const lines = [
    `[*] --> ${machine.root.initial.target.map(({ key }) => key).join()}`,
    ...arrows,
    ...fromAll,
    ...states.filter(({ type }) => type === 'final').map(({ key }) => `${key} --> [*]`),
    ...states.flatMap(note),
  ]
  return ['stateDiagram-v2', ...lines.map((line) => `    ${line}`)].join('\n')
}

const intro = `# Machines

How things live. Made by \`npm run docs\` from \`machines/\`; a test compares. An arrow says what happens, \`[in which case]\` and \`/ what is done then\`;
a note says what is done on entering a state. What is done is an effect or an announcement of the actor, by that name.
`

const chapter = (file: string, machine: AnyStateMachine): string => `## ${machine.id}

[machines/${file}](../../machines/${file})

\`\`\`mermaid
${mermaid(machine)}
\`\`\`
`

function arrow(source: AnyStateNode, target: AnyStateNode, transition: AnyTransitionDefinition): string {
  const guard = transition.guard ? ` [${nameOf(transition.guard)}]` : ''
  const actions = names(transition.actions)
  return `${source.key} --> ${target.key}: ${eventName(source, transition.eventType)}${guard}${actions && ` / ${actions}`}`
}

function note(state: AnyStateNode): string[] {
  const done = [names(state.entry), state.invoke.map(({ src }) => `runs ${String(src)}`).join(', ')].filter(Boolean).join(', ')
  return done ? [`note right of ${state.key}: ${done}`] : []
}

/** `xstate.done.actor.0.pull.resolving` is for machines; people read what was run there. */
function eventName(source: AnyStateNode, type: string): string {
  const [, outcome] = type.match(/^xstate\.(done|error)\.actor\./) ?? []
  return outcome ? `${source.invoke.map(({ src }) => String(src)).join()} ${outcome === 'done' ? 'done' : 'failed'}` : type
}

/** Named actions; changes of context written in place have no name and are left out. */
const names = (actions: readonly unknown[]): string => actions.map(nameOf).filter(Boolean).join(', ')

const nameOf = (action: unknown): string => {
  if (typeof action === 'string') return action
  return typeof action === 'object' && action !== null && 'type' in action ? String(action.type) : ''
}
