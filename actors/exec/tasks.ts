import { type TaskContext, taskMachine } from '../../machines/task.ts'
import type { Task } from '../../messages/exec.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { isAlive } from '../../runtime/alive.ts'
import { watchEnd } from '../../runtime/dying.ts'
import { end } from '../../runtime/processes.ts'
import { type Change, type Records, type RecordsInit, records, type Stored } from '../../runtime/records/records.ts'
import { type EffectComponents, taskAnnouncements, taskEffects } from './effects.ts'
import { Endings } from './endings.ts'
import { readExit, sweepExits } from './exits.ts'

export type StoredTask = Stored<typeof taskMachine>

type RecordsComponents = Parameters<typeof records<typeof taskMachine>>[0]

/** The tasks of this node, and their ends. */
export interface Tasks extends AsyncDisposable {
  readonly records: Records<typeof taskMachine>
  readonly endings: Endings<Task>
  /** The record; fails with not_found, or unavailable when it was never made and what is left of it is still to be taken away. */
  demand(id: string, attempted: string): StoredTask
  /** Try again to take away what is left of a task that was never made, which fails, if that succeeds, with not_found; any other is left alone. */
  clear(id: string, attempted: string, change: Change<typeof taskMachine>): Promise<void>
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
  const watched = new DisposableStack()

  /** `unwatched` says that nobody will leave an exit code any more: a container whose end nobody sees, and whose output nobody keeps, is ended, as 255. */
  async function settle(id: string, { unwatched = false } = {}): Promise<void> {
    try {
      // What ends from now on is for the next run to find.
      if (watched.disposed) return
      const stored = kept.get(id)
      if (stored === undefined || isUndone(stored) || stored.context.exitedAt !== undefined) return
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

  /** Settle a task of an earlier run: now if its monitor has ended, else when it does. */
  async function takeUp({ id, context: { monitor } }: StoredTask): Promise<void> {
    if (monitor === undefined) return await settle(id, { unwatched: true })
    // Watched before it is looked at: an end in between is seen by one or the other.
    const watch = watched.use(watchEnd(monitor.pid))
    if (!(await isAlive(monitor))) {
      watch[Symbol.dispose]()
      return await settle(id, { unwatched: true })
    }
    void watch.ended.then(() => settle(id, { unwatched: true }))
    await settle(id)
  }

  return {
    records: kept,
    endings,
    settle,
    demand(id, attempted) {
      const stored = kept.get(id)
      if (stored === undefined) throw new Failure('not_found', `${attempted}: there is no task ${id}`)
      if (isUndone(stored))
        throw new Failure(
          'unavailable',
          `${attempted}: it was never made, and what is left of it has yet to be taken away; remove it to try that again`,
        )
      return stored
    },
    async clear(id, attempted, change) {
      const stored = kept.get(id)
      if (stored === undefined || !isUndone(stored)) return
      // It takes no event any more, but what is left to be done comes before that is said.
      await kept.send(id, { type: 'remove' }, change).catch((error: unknown) => {
        throw isFailure(error, 'not_found')
          ? new Failure('not_found', `${attempted}: it was never made; what was left of it is gone now`)
          : error
      })
    },
    async adopt() {
      const tasks = kept.list()
      const going = tasks.filter((task) => !isUndone(task) && task.context.exitedAt === undefined)
      await Promise.all(
        going.map((task) => takeUp(task).catch((error: unknown) => log.warn({ err: error, id: task.id }, 'take up a task'))),
      )
      await sweepExits(places.exits, new Set(tasks.map(({ id }) => id)))
    },
    async [Symbol.asyncDispose]() {
      watched.dispose()
      await kept[Symbol.asyncDispose]()
    },
  }
}

/** Whether it was never made: then it is kept only for what is left of it to be taken away. */
export const isUndone = ({ value }: StoredTask): boolean => value === 'undone'

/** A task as it is told; states on the way to another count as where they come from. */
export function taskOf({ id, value, context }: StoredTask): Task {
  return {
    id,
    state: told[value] ?? (context.exitedAt === undefined ? 'created' : 'stopped'),
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

function pick<K extends keyof TaskContext>(context: TaskContext, keys: readonly K[]): { [P in K]?: NonNullable<TaskContext[P]> } {
  return Object.fromEntries(keys.filter((key) => context[key] !== undefined).map((key) => [key, context[key]])) as {
    [P in K]?: NonNullable<TaskContext[P]>
  }
}
