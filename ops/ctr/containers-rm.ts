import type { Command } from 'commander'
import type { container } from '../../messages/container.ts'
import type { exec } from '../../messages/exec.ts'
import { isFailure } from '../../messages/grammar/index.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `ctr containers rm ID…`: remove containers, and the tasks of theirs that have stopped. One that runs is left alone. */
export function containersRm(command: Command): void {
  command.argument('<ids...>', 'of the containers').action(
    asking(async ({ ask }, { args }) => {
      const [containers, tasks] = [ask<typeof container>('container'), ask<typeof exec>('exec')]
      return await each('ctr', args, async (id) => {
        await tasks.remove({ id }).catch((error: unknown) => {
          if (!isFailure(error, 'not_found')) throw error
        })
        await containers.remove({ id })
        print([id])
      })
    }),
  )
}
