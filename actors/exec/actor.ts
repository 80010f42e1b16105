import { constants } from 'node:os'
import type { container } from '../../messages/container.ts'
import { exec } from '../../messages/exec.ts'
import { type Context, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { bundleOf, placesOf } from './bundle.ts'
import { type Cgroups, cgroupName, probeCgroups } from './cgroups.ts'
import type { Plan } from './effects.ts'
import { watchExits } from './exits.ts'
import { followLog } from './follow.ts'
import { Inputs } from './inputs.ts'
import { command, ociAt } from './oci.ts'
import { findPrograms } from './programs.ts'
import { signalNumber } from './signals.ts'
import { isUndone, openTasks, type StoredTask, taskOf } from './tasks.ts'
import { resizeTerminal } from './terminal.ts'

/** Run containers. Those of an earlier run go on, and are taken up again. Disposing leaves them running. */
export async function startExec(home: Home): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const places = placesOf(home.root)
  const cgroups = await lookAtCgroups(home)
  const oci = (program: string) => ociAt(program, { state: places.runtime, cgroups: cgroups.usable })
  const cgroup = (id: string) => (cgroups.usable ? cgroupName(home.root, id) : undefined)
  const plans = new Map<string, Plan>()
  const inputs = stack.use(new Inputs((id) => bundleOf(places, id).directory))
  const tasks = stack.use(openTasks({ ...home, places, plans, oci, cgroup }))
  stack.use(await watchExits(places.exits, { told: (id) => void tasks.settle(id), log: home.log }))
  const containers = client<typeof container>(home.bus, { node: home.node, actor: 'container' })
  const snapshots = client<typeof snapshot>(home.bus, { node: home.node, actor: 'snapshot' })

  await tasks.records.resume()
  await tasks.adopt()

  async function create({ id, stdin }: { id: string; stdin: boolean }, { signal, trace }: Context) {
    const before = tasks.records.get(id)
    if (plans.has(id) || (before && !isUndone(before))) throw new Failure('already_exists', `create task ${id}: there is one`)
    const found = await containers.get({ id }, { signal, trace })
    const { runtime, conmon } = await findPrograms({ setting: home.settings['exec.runtime'], cgroups })
    const { mounts } = await snapshots.mounts({ key: found.key, driver: found.driver }, { signal, trace })
    if (plans.has(id)) throw new Failure('already_exists', `create task ${id}: it is being made`)
    plans.set(id, { container: found, mounts, conmon })
    try {
      const input = { id, terminal: found.process.terminal, stdin, runtime, at: new Date().toISOString() }
      return taskOf(await tasks.records.create(id, input, { signal, trace }))
    } catch (error) {
      const made = tasks.records.get(id)
      if (made === undefined || isUndone(made)) tasks.endings.fail(id, new Failure('not_found', `wait for task ${id}: it was never made`))
      throw error
    } finally {
      plans.delete(id)
    }
  }

  /** Its task, if its process can be spoken to. */
  function demandAlive(id: string, attempted: string): StoredTask {
    const stored = tasks.demand(id, attempted)
    if (taskOf(stored).state === 'stopped') throw new Failure('not_found', `${attempted}: its process has ended`)
    return stored
  }

  const send = async (id: string, type: 'start' | 'pause' | 'resume', { signal, trace }: Context) => {
    tasks.demand(id, `${type} task ${id}`)
    return taskOf(await tasks.records.send(id, { type }, { signal, trace }))
  }

  /** Resolves once it has stopped, or is gone, with how it was last. */
  const end = async (id: string, signal: AbortSignal) => {
    const now = taskOf(tasks.demand(id, `wait for task ${id}`))
    return now.state === 'stopped' ? now : await tasks.endings.of(id, { signal })
  }

  stack.use(
    await serve(home.bus, {
      node: home.node,
      actor: 'exec',
      protocol: exec,
      log: home.log,
      handlers: {
        create,
        start: ({ id }, context) => send(id, 'start', context),
        async kill({ id, signal: name }, { signal }) {
          const number = signalNumber(name)
          const { value, context } = demandAlive(id, `kill task ${id}`)
          await command(oci(context.runtime), 'kill', { id, args: [String(number)] }, { signal })
          // A frozen process does not even die.
          if (value === 'paused' && number === constants.signals.SIGKILL)
            await tasks.records.send(id, { type: 'resume' }, { signal }).catch(unlessEnded)
          return {}
        },
        pause: ({ id }, context) => {
          if (!cgroups.usable) context.fail('unimplemented', `pause task ${id}: this machine has no cgroups to freeze`)
          return send(id, 'pause', context)
        },
        resume: ({ id }, context) => send(id, 'resume', context),
        async *wait({ id }, { signal }) {
          const now = taskOf(tasks.demand(id, `wait for task ${id}`))
          const stopped = end(id, signal)
          stopped.catch(() => {})
          yield now
          if (now.state !== 'stopped') yield await stopped
        },
        list: () => ({
          tasks: tasks.records
            .list()
            .filter((task) => !isUndone(task))
            .map(taskOf),
        }),
        state: ({ id }) => taskOf(tasks.demand(id, `look at task ${id}`)),
        async resize({ id, columns, rows }) {
          const { context } = demandAlive(id, `resize task ${id}`)
          if (!context.terminal) throw new Failure('failed_precondition', `resize task ${id}: it has no terminal`)
          await resizeTerminal(bundleOf(places, id), { id, columns, rows })
          return {}
        },
        async write({ id, bytes, end: last }, { signal }) {
          const { context } = demandAlive(id, `write to task ${id}`)
          if (!context.stdin) throw new Failure('failed_precondition', `write to task ${id}: its standard input was not kept open`)
          await inputs.write(id, bytes, { end: last, terminal: context.terminal, signal })
          return {}
        },
        async *attach({ id }, { signal }) {
          tasks.demand(id, `attach to task ${id}`)
          yield* followLog(bundleOf(places, id).log, { over: end(id, signal), signal })
        },
        async remove({ id }, { signal, trace }) {
          const attempted = `remove task ${id}`
          await tasks.clear(id, attempted, { signal, trace })
          const before = taskOf(tasks.demand(id, attempted))
          if (before.state === 'running' || before.state === 'paused')
            throw new Failure('failed_precondition', `${attempted}: it is ${before.state}`)
          await tasks.records.send(id, { type: 'remove' }, { signal, trace })
          inputs.close(id)
          const after: typeof before = { ...before, state: 'stopped' }
          tasks.endings.tell(id, after)
          return after
        },
      },
    }),
  )
  return stack.move()
}

async function lookAtCgroups(home: Home): Promise<Cgroups> {
  const cgroups = await probeCgroups()
  if (!cgroups.usable)
    home.log.warn({ kind: cgroups.kind }, 'no cgroups can be written here: containers run without limits, and cannot be paused')
  return cgroups
}

/** It died before it could be resumed. */
function unlessEnded(error: unknown): void {
  if (!isFailure(error, 'failed_precondition', 'not_found')) throw error
}
