import { assign, setup } from 'xstate'

/** A process, told apart from a later one with the same pid. */
export interface Being {
  readonly pid: number
  readonly started: string
  readonly boot: string
}

export interface TaskInput {
  readonly id: string
  /** has a terminal of its own */
  readonly terminal: boolean
  /** standard input is kept open */
  readonly stdin: boolean
  /** program of the OCI runtime, absolute */
  readonly runtime: string
  readonly at: string
}

export interface TaskContext extends Omit<TaskInput, 'at'> {
  readonly createdAt: string
  readonly startedAt?: string | undefined
  readonly exitedAt?: string | undefined
  /** 128 + n when signal n ended it; 255 when nobody saw */
  readonly exitCode?: number | undefined
  /** the container's first process */
  readonly init?: Being | undefined
  /** the process that holds its streams and sees it end */
  readonly monitor?: Being | undefined
}

export type TaskEvent =
  | { type: 'created'; init: Being; monitor: Being }
  | { type: 'start' }
  | { type: 'started'; at: string }
  | { type: 'pause' }
  | { type: 'paused' }
  | { type: 'resume' }
  | { type: 'resumed' }
  | { type: 'exited'; exitCode: number; at: string }
  | { type: 'remove' }
  | { type: 'removed' }
  | { type: 'failed' }

/**
 * A task, as a record: the process of a container, from its making to its being forgotten.
 *
 *     creating ──created──► created ──start──► starting ──started──► running ──pause──► pausing ──paused──► paused
 *        │ failed              │  ▲──failed───────┘  │                 │ ▲◄──failed────────┘                  │
 *        ▼                     │                  exited             exited ◄──resumed── resuming ◄──resume───┘
 *      undone                  │                     └───────┬─────────┘
 *                              │ exited                      ▼
 *                              └────────────────────────► stopped ──remove──► removing ──removed──► deleted
 *
 * `remove` is also taken in created. Whatever it does, its process may end at any moment: `exited` leads to stopped from everywhere it can have one,
 * and nothing else does, so that one that has stopped has an exit code. What could not be removed is again what it was.
 * A task that was never made is undone: nobody is told of its end, as nobody was told of its beginning. It is no task, even while what was made of it is still there.
 */
export const taskMachine = setup({
  types: { context: {} as TaskContext, input: {} as TaskInput, events: {} as TaskEvent },
  guards: {
    hasEnded: ({ context }) => context.exitedAt !== undefined,
  },
  actions: {
    /** mount, write the runtime's spec, have it made */
    prepare: () => {},
    release: () => {},
    freeze: () => {},
    thaw: () => {},
    /** end what is left of it, unmount, take its files away */
    discard: () => {},
    /** the same, of one that was never made */
    undo: () => {},
    tellCreated: () => {},
    tellStarted: () => {},
    tellPaused: () => {},
    tellResumed: () => {},
    tellExited: () => {},
    tellRemoved: () => {},
    keepBeings: assign(({ event }) => (event.type === 'created' ? { init: event.init, monitor: event.monitor } : {})),
    keepStart: assign(({ event }) => (event.type === 'started' ? { startedAt: event.at } : {})),
    keepEnd: assign(({ event }) => (event.type === 'exited' ? { exitCode: event.exitCode, exitedAt: event.at } : {})),
  },
}).createMachine({
  id: 'task',
  context: ({ input: { at, ...rest } }) => ({ ...rest, createdAt: at }),
  initial: 'creating',
  states: {
    creating: {
      entry: 'prepare',
      on: { created: { target: 'created', actions: ['keepBeings', 'tellCreated'] }, failed: 'undone' },
    },
    created: { on: { start: 'starting', remove: 'removing', exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] } } },
    starting: {
      entry: 'release',
      on: {
        started: { target: 'running', actions: ['keepStart', 'tellStarted'] },
        failed: 'created',
        exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] },
      },
    },
    running: { on: { pause: 'pausing', exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] } } },
    pausing: {
      entry: 'freeze',
      on: {
        paused: { target: 'paused', actions: 'tellPaused' },
        failed: 'running',
        exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] },
      },
    },
    paused: { on: { resume: 'resuming', exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] } } },
    resuming: {
      entry: 'thaw',
      on: {
        resumed: { target: 'running', actions: 'tellResumed' },
        failed: 'paused',
        exited: { target: 'stopped', actions: ['keepEnd', 'tellExited'] },
      },
    },
    stopped: { on: { remove: 'removing' } },
    removing: {
      entry: 'discard',
      on: {
        removed: { target: 'deleted', actions: 'tellRemoved' },
        failed: [{ target: 'stopped', guard: 'hasEnded' }, { target: 'created' }],
      },
    },
    deleted: { type: 'final' },
    undone: { type: 'final', entry: 'undo' },
  },
})
