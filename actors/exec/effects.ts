import type { TaskContext, taskMachine } from '../../machines/task.ts'
import type { Container } from '../../messages/container.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import type { Announcement, Effect } from '../../runtime/records/records.ts'
import type { Places } from './bundle.ts'
import { make, unmake } from './making.ts'
import { command, type Oci, ociState } from './oci.ts'

/** What a task is to be made of, for as long as whoever asked for it waits. */
export interface Plan {
  readonly container: Container
  readonly mounts: readonly Mount[]
  readonly conmon: string
}

export interface EffectComponents {
  readonly places: Places
  /** by id, of the tasks being made */
  readonly plans: ReadonlyMap<string, Plan>
  /** the runtime at a path */
  readonly oci: (program: string) => Oci
  /** the name of a container's cgroup; undefined where there are none */
  readonly cgroup: (id: string) => string | undefined
  /** The process that watches a container has ended. */
  readonly onMonitorEnd: (id: string) => void
}

type TaskEffect = Effect<typeof taskMachine>

/** What the task machine has carried out. */
export function taskEffects(components: EffectComponents) {
  const { places, plans, oci, cgroup, onMonitorEnd } = components

  const prepare: TaskEffect = async ({ id, context }, _params, options) => {
    const plan = plans.get(id)
    // Made again after a crash it would be nobody's: whoever asked for it is gone.
    if (plan === undefined) throw new Failure('unavailable', `create task ${id}: the node was stopped before it was made`)
    const made = await make({ places, oci: oci(context.runtime) }, { ...plan, stdin: context.stdin, cgroup: cgroup(id) }, options)
    void made.ended.then(() => onMonitorEnd(id))
    return { type: 'created', init: made.init, monitor: made.monitor }
  }

  const release: TaskEffect = async ({ id, context }) => {
    const runtime = oci(context.runtime)
    await command(runtime, 'start', { id }).catch(async (error: unknown) => {
      // Carried out again after a crash: it may have been started before.
      const state = await ociState(runtime, id)
      if (state !== 'running' && state !== 'stopped') throw error
    })
    return { type: 'started', at: new Date().toISOString() }
  }

  const freeze: TaskEffect = async ({ id, context }) => {
    await command(oci(context.runtime), 'pause', { id })
    return { type: 'paused' }
  }

  const thaw: TaskEffect = async ({ id, context }) => {
    const runtime = oci(context.runtime)
    await command(runtime, 'resume', { id }).catch(async (error: unknown) => {
      // Some runtimes thaw what they kill; and after a crash it may have been resumed before.
      if ((await ociState(runtime, id)) === 'paused') throw error
    })
    return { type: 'resumed' }
  }

  const takeAway = (context: TaskContext, options: { signal: AbortSignal }) =>
    unmake({ places, oci: oci(context.runtime), cgroup: cgroup(context.id) }, context, options)

  const discard: TaskEffect = async ({ context }, _params, options) => {
    await takeAway(context, options)
    return { type: 'removed' }
  }

  const undo: TaskEffect = async ({ context }, _params, options) => {
    await takeAway(context, options)
    return undefined
  }

  return { prepare, release, freeze, thaw, discard, undo }
}

type TaskAnnouncement = Announcement<typeof taskMachine>

const tell =
  (fact: string): TaskAnnouncement =>
  ({ id }) => ({ fact, data: { id } })

const tellWithPid =
  (fact: string): TaskAnnouncement =>
  ({ id, context }) => ({ fact, data: { id, ...(context.init && { pid: context.init.pid }) } })

/** What of a task's life is told. */
export const taskAnnouncements: Readonly<Record<string, TaskAnnouncement>> = {
  tellCreated: tellWithPid('created'),
  tellStarted: tellWithPid('started'),
  tellPaused: tell('paused'),
  tellResumed: tell('resumed'),
  tellExited: ({ id, context }) => ({ fact: 'exited', data: { id, exitCode: context.exitCode, exitedAt: context.exitedAt } }),
  tellRemoved: tell('removed'),
}
