import type { exec, Task } from '../../messages/exec.ts'
import type { Asking, Client } from '../../messages/grammar/index.ts'
import { write } from '../command/write.ts'
import { pumpInput } from './input.ts'
import { forwardSignals } from './signals.ts'
import { rawTerminal } from './terminal.ts'

type Tasks = Client<typeof exec>

/** Start a task and be its standard streams and its signals until it has ended; its exit code. */
export async function attach(tasks: Tasks, id: string, { terminal, signal }: { terminal: boolean; signal: AbortSignal }): Promise<number> {
  using stack = new DisposableStack()
  stack.use(forwardSignals(async (name) => void (await tasks.kill({ id, signal: name }))))
  if (terminal) {
    const { stdout } = process
    stack.use(await rawTerminal({ resize: async () => void (await tasks.resize({ id, columns: stdout.columns, rows: stdout.rows })) }))
  }
  await tasks.start({ id })
  stack.use(pumpInput(process.stdin, async (bytes, end) => void (await tasks.write({ id, bytes, end }))))
  // what it says is kept from the first byte, so coming after the start misses nothing
  for await (const { stream, bytes } of tasks.attach({ id })) await write(process[stream], bytes, { signal })
  const task = await ended(tasks, id)
  return task?.exitCode ?? 0
}

/** Wait until a task has stopped. */
export async function ended(tasks: Tasks, id: string, asking: Asking = {}): Promise<Task | undefined> {
  let last: Task | undefined
  for await (const task of tasks.wait({ id }, asking)) last = task
  return last
}
