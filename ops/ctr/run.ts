import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import type { container } from '../../messages/container.ts'
import type { exec } from '../../messages/exec.ts'
import type { Client } from '../../messages/grammar/index.ts'
import { fullName } from '../command/full-name.ts'
import { asking } from '../command/session.ts'
import { attach, ended } from './attach.ts'

interface RunOptions {
  readonly rm?: boolean
  readonly detach?: boolean
  readonly tty?: boolean
  readonly id?: string
  readonly env?: string[]
  readonly cwd?: string
  readonly user?: string
  readonly readOnly?: boolean
  readonly driver?: string
}

type Containers = Client<typeof container>
type Tasks = Client<typeof exec>

/** `ctr run REF [COMMAND…]`: a container and its task, with our standard streams, our signals and its exit code. */
export function run(command: Command): void {
  command
    .argument('<reference>', 'an image that is here')
    .argument('[command...]', 'in place of the Cmd of the image')
    .option('--rm', 'remove the container when it has ended')
    .option('-d, --detach', 'print the id and leave it running')
    .option('-t, --tty', 'give it a terminal')
    .option('--id <id>', 'of the container; made up if left out')
    .option('-e, --env <name=value>', 'over the environment of the image; may be repeated', (value: string, all: string[] = []) => [
      ...all,
      value,
    ])
    .option('--cwd <directory>', 'to run in')
    .option('-u, --user <user>', 'name or uid, with :group or :gid')
    .option('--read-only', 'make its root file system read-only')
    .option('--driver <name>', 'snapshot driver; the node’s default if left out')
    .passThroughOptions()
    .action(
      asking<RunOptions>(
        async ({ ask, signal }, { args: [reference = '', ...args], options }) => {
          const containers: Containers = ask<typeof container>('container')
          const tasks: Tasks = ask<typeof exec>('exec')
          const { id } = await containers.create({ ...requestOf(options), image: fullName(reference), args })
          await using cleaning = removal(containers, tasks, id)
          const { detach = false, tty = false, rm = false } = options
          await tasks.create({ id, stdin: !detach }, { timeoutMs: 30_000 })
          if (detach) {
            await tasks.start({ id })
            process.stdout.write(`${id}\n`)
            cleaning.keep()
            return 0
          }
          const exitCode = await attach(tasks, id, { terminal: tty, signal })
          if (!rm) cleaning.keep()
          return exitCode
        },
        { signals: false },
      ),
    )
}

function requestOf({ id, env = [], cwd, user, tty = false, readOnly = false, driver }: RunOptions) {
  return {
    id: id ?? `c${randomBytes(5).toString('hex')}`,
    env,
    terminal: tty,
    readonly: readOnly,
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(driver !== undefined && { driver }),
  }
}

/** Removes the container and its task at the end, whatever came of them, unless told to keep them. */
function removal(containers: Containers, tasks: Tasks, id: string): AsyncDisposable & { keep(): void } {
  let wanted = true
  // not by the signal of the command: what was given up is cleaned up all the same
  const asking = { signal: undefined, timeoutMs: 30_000 }
  return {
    keep: () => {
      wanted = false
    },
    async [Symbol.asyncDispose]() {
      if (!wanted) return
      // each may be needless, or be about something that never came to be; whether all is gone, the last one says
      await tasks.kill({ id, signal: 'KILL' }, asking).catch(() => {})
      await ended(tasks, id, asking).catch(() => {})
      await tasks.remove({ id }, asking).catch(() => {})
      await containers.remove({ id }, asking)
    },
  }
}
