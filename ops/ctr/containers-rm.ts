import type { Command } from 'commander'
import type { container } from '../../messages/container.ts'
import type { exec } from '../../messages/exec.ts'
import { type Client, isFailure } from '../../messages/grammar/index.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `ctr containers rm [-f] ID…`: remove containers, and the tasks of theirs that have stopped. One that runs is left alone, or killed first. */
export function containersRm(command: Command): void {
  command
    .argument('<ids...>', 'of the containers')
    .option('-f, --force', 'kill what runs')
    .action(
      asking<{ force?: boolean }>(async ({ ask }, { args, options: { force } }) => {
        const [containers, tasks] = [ask<typeof container>('container'), ask<typeof exec>('exec')]
        return await each('ctr', args, async (id) => {
          if (force) await unlessAbsent(end(tasks, id))
          await unlessAbsent(tasks.remove({ id }))
          await containers.remove({ id })
          print([id])
        })
      }),
    )
}

/** Kill a task, and see it stop. */
async function end(tasks: Client<typeof exec>, id: string): Promise<void> {
  await tasks.kill({ id, signal: 'KILL' })
  for await (const { state } of tasks.wait({ id })) if (state === 'stopped') return
}

/** That there is nothing to do it to is as good as done. */
async function unlessAbsent(work: PromiseLike<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
  }
}
