import { checked, libc } from './libc.ts'

/** pidfd_open(2) has no function of its own in older C libraries. */
const pidfdOpenC = libc<[number, number, number]>('long syscall(long number, int pid, unsigned int flags)')
const SYS_pidfd_open = 434

/** A descriptor of the process that has this pid now, readable once it has ended; the caller's to close. */
export function pidfdOpen(pid: number): number {
  return checked(pidfdOpenC(SYS_pidfd_open, pid, 0), 'pidfd_open')
}
