import { type Being, type TaskContext, taskMachine } from '../../machines/task.ts'
import type { Task } from '../../messages/exec.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { isAlive } from '../../runtime/alive.ts'
import { end } from '../../runtime/processes.ts'
import { type Records, type RecordsInit, records, type Stored } from '../../runtime/records/records.ts'
import { type EffectComponents, taskAnnouncements, taskEffects } from './effects.ts'
import { Endings } from './endings.ts'
import { readExit, sweepExits } from './exits.ts'

export type StoredTask = Stored<typeof taskMachine>

type RecordsComponents = Parameters<typeof records<typeof taskMachine>>[0]

/** The tasks of this node, and their ends. */
export interface Tasks extends AsyncDisposable {
  readonly records: Records<typeof taskMachine>
  readonly endings: Endings<Task>
  /** The record; fails with not_found. */
  demand(id: string, attempted: string): StoredTask
  /** Look whether it has ended, and record it if so. */
  settle(id: string, options?: { unwatched?: boolean }): Promise<void>
  /** Take up the tasks of an earlier run: those that ended meanwhile are stopped, the others go on. */
  adopt(): Promise<void>
}

export function openTasks(components: RecordsComponents & Omit<EffectComponents, 'onMonitorEnd'>): Tasks {
  const { log, places } = components
  const endings = new Endings<Task>()
  const init: RecordsInit<typeof taskMachine> = {
    actor: 'exec',
    table: 'tasks',
    machine: taskMachine,
    effects: taskEffects({ ...components, onMonitorEnd: (id) => void settle(id, { unwatched: true }) }),
    announcements: taskAnnouncements,
  }
  const kept = records(components, init)

  /** `unwatched` says that nobody will leave an exit code any more: a container whose end nobody sees, and whose output nobody keeps, is ended, as 255. */
  async function settle(id: string, { unwatched = false } = {}): Promise<void> {
    try {
      const stored = kept.get(id)
      if (stored === undefined || stored.context.exitedAt !== undefined) return
      const left = await readExit(places.exits, id)
      if (left === undefined && !unwatched) return
      if (left === undefined) await endInit(stored.context)
      const exit = left ?? { exitCode: 255, at: new Date().toISOString() }
      const stopped = await kept.send(id, { type: 'exited', ...exit })
      endings.tell(id, taskOf(stopped))
    } catch (error) {
      // Ended and said so already, removed, or the node stops.
      if (!(error instanceof Failure && ['failed_precondition', 'not_found'].includes(error.code)))
        log.warn({ err: error, id }, 'record the end of a task')
    }
  }

  return {
    records: kept,
    endings,
    settle,
    demand(id, attempted) {
      const stored = kept.get(id)
      if (stored === undefined) throw new Failure('not_found', `${attempted}: there is no task ${id}`)
      return stored
    },
    async adopt() {
      const tasks = kept.list()
      await Promise.all(tasks.map(async ({ id, context }) => settle(id, { unwatched: !(await lives(context.monitor)) })))
      await sweepExits(places.exits, new Set(tasks.map(({ id }) => id)))
    },
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  }
}

/** A task as it is told; states on the way to another count as where they come from. */
export function taskOf({ id, value, context }: StoredTask): Task {
  return {
    id,
    state: told[value] ?? 'stopped',
    terminal: context.terminal,
    createdAt: context.createdAt,
    ...(context.exitedAt === undefined && context.init && { pid: context.init.pid }),
    ...pick(context, ['exitCode', 'startedAt', 'exitedAt']),
  }
}

const told: Readonly<Record<string, Task['state']>> = {
  creating: 'created',
  created: 'created',
  starting: 'created',
  running: 'running',
  pausing: 'running',
  paused: 'paused',
  resuming: 'paused',
}

async function endInit({ init }: TaskContext): Promise<void> {
  if (init !== undefined && (await isAlive(init))) end(init.pid)
}

const lives = async (being: Being | undefined): Promise<boolean> => being !== undefined && (await isAlive(being))

function pick<K extends keyof TaskContext>(context: TaskContext, keys: readonly K[]): { [P in K]?: NonNullable<TaskContext[P]> } {
  return Object.fromEntries(keys.filter((key) => context[key] !== undefined).map((key) => [key, context[key]])) as {
    [P in K]?: NonNullable<TaskContext[P]>
  }
}
