import type { Command } from 'commander'
import type { exec } from '../../messages/exec.ts'
import { each } from '../command/each.ts'
import { asking } from '../command/session.ts'

/** `ctr tasks kill [-s SIGNAL] ID…`: send tasks a signal. */
export function tasksKill(command: Command): void {
  command
    .argument('<ids...>', 'of the tasks')
    .option('-s, --signal <signal>', 'name, with or without SIG, or number', 'TERM')
    .action(
      asking<{ signal: string }>(async ({ ask }, { args, options: { signal } }) => {
        const tasks = ask<typeof exec>('exec')
        return await each('ctr', args, async (id) => void (await tasks.kill({ id, signal })))
      }),
    )
}
