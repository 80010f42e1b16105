import type { Command } from 'commander'
import type { exec, Task } from '../../messages/exec.ts'
import { type Column, listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `ctr tasks ls`: every task. */
export function tasksLs(command: Command): void {
  command.action(
    asking(async (session) => {
      const { tasks } = await session.ask<typeof exec>('exec').list({})
      print(listing(tasks, columns, session.listing))
    }),
  )
}

const columns: Column<Task>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'PID', value: ({ pid }) => pid },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'EXIT', value: ({ exitCode }) => exitCode },
]
