import { readFile } from 'node:fs/promises'

/** A process, told apart from a later one with the same pid: when it started, in ticks of the boot it belongs to. */
export interface Living {
  readonly pid: number
  readonly started: string
  readonly boot: string
}

/** The process this runs in. All its threads are one. */
export async function thisProcess(): Promise<Living> {
  return { pid: process.pid, started: (await startOf(process.pid)) ?? '', boot: await bootId() }
}

/** The process that has a pid now; undefined when none has, or only a zombie. */
export async function livingAt(pid: number): Promise<Living | undefined> {
  const started = await startOf(pid)
  return started === undefined ? undefined : { pid, started, boot: await bootId() }
}

/** Whether a process still runs: same boot, same pid, started at the same tick, not a zombie. */
export async function isAlive(living: Living): Promise<boolean> {
  return living.boot === (await bootId()) && living.started === (await startOf(living.pid))
}

/** Whether both are one process. */
export const isSame = (one: Living, other: Living): boolean =>
  one.pid === other.pid && one.started === other.started && one.boot === other.boot

/** Names the run of the kernel; another one after each boot. */
async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}

/** Field 22 of proc_pid_stat(5); undefined when there is no such process, or only its zombie. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // Field 2 is the program's name in brackets, with whatever it has in it; field 3 follows the last bracket.
  const [state = 'X', ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : rest[18]
}
