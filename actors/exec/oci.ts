import { basename } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { run } from '../../runtime/processes.ts'

/** An OCI runtime, and where it keeps its state. */
export interface Oci {
  readonly program: string
  /** What goes before any of its commands. */
  readonly args: readonly string[]
}

/** The runtime at a path. Without cgroups crun can be told so; runc cannot, and says it itself. */
export function ociAt(program: string, init: { readonly state: string; readonly cgroups: boolean }): Oci {
  const disabled = !init.cgroups && basename(program) === 'crun'
  return { program, args: [`--root=${init.state}`, ...(disabled ? ['--cgroup-manager=disabled'] : [])] }
}

export type Command = 'start' | 'kill' | 'pause' | 'resume' | 'delete'

/** Have the runtime do something with a container. Fails with what it says, in the code that fits. */
export async function command(
  oci: Oci,
  what: Command,
  target: { readonly id: string; readonly args?: readonly string[]; readonly options?: readonly string[] },
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { id, args = [], options: flags = [] } = target
  const attempted = `${what} task ${id}`
  const ran = await run(oci.program, [...oci.args, what, ...flags, id, ...args], options).catch((error: unknown) => {
    if (options.signal?.aborted) throw error
    throw fromErrno(error, `${attempted} by ${oci.program}`)
  })
  if (ran.code !== 0) throw refusal(attempted, lastLine(ran.stderr))
}

/** What the runtime knows of a container: `created`, `running`, `paused`, `stopped`; undefined when it knows nothing. */
export async function ociState(oci: Oci, id: string, options: { signal?: AbortSignal | undefined } = {}): Promise<string | undefined> {
  const ran = await run(oci.program, [...oci.args, 'state', id], options)
  if (ran.code !== 0) return undefined
  const state: unknown = JSON.parse(ran.stdout)
  return typeof state === 'object' && state !== null && 'status' in state ? String(state.status) : undefined
}

/** A failure from what the runtime said. Its words differ between runtimes and versions; what is not understood is passed on as it is. */
export function refusal(attempted: string, said: string, args: readonly string[] = []): Failure {
  const program = named(said) ?? args[0]
  if (ofProgram(said, 'not found|no such file')) return new Failure('not_found', `${attempted}: the image has no program ${program}`)
  if (ofProgram(said, 'permission denied|is a directory'))
    return new Failure('permission_denied', `${attempted}: ${program} may not be executed`)
  if (ofProgram(said, 'exec format error'))
    return new Failure('failed_precondition', `${attempted}: ${program} is not a program for this machine`)
  if (/does not exist|no such process|already finished|not running|is stopped|status.: No such file/i.test(said)) {
    return new Failure('not_found', `${attempted}: ${said}`)
  }
  if (/no space left|cannot allocate memory/i.test(said)) return new Failure('resource_exhausted', `${attempted}: ${said}`)
  return new Failure('failed_precondition', `${attempted}: ${said || 'the runtime does not say why'}`)
}

/** How runc and crun speak of a program they could not execute; its name is in quotes of some kind, or none. */
const spoken = String.raw`(?:executable file|exec container process|exec:?) [\x60"']?([^\x60"': ]+)[\x60"']?`

const named = (said: string): string | undefined => new RegExp(spoken).exec(said)?.[1]

const ofProgram = (said: string, why: string): boolean =>
  new RegExp(`${spoken}[ :].*(?:${why})`, 'i').test(said) || new RegExp(`open executable: (?:${why})`, 'i').test(said)

/** Runtimes log on stderr, as text or as JSON lines; the last one counts. */
export function lastLine(text: string): string {
  const line = text.trimEnd().split('\n').at(-1) ?? ''
  const [, message] = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line) ?? []
  if (message !== undefined) return message.replaceAll('\\"', '"')
  try {
    const parsed: unknown = JSON.parse(line)
    return typeof parsed === 'object' && parsed !== null && 'msg' in parsed ? String(parsed.msg) : line
  } catch {
    return line
  }
}
