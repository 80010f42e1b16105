/**
 * System calls refused to every container. Everything else is allowed: an allow list is several hundred names that change with every kernel and libc,
 * and the capabilities a container lacks already close most doors. What is refused here needs no capability and has been the way out again and again.
 */
export function seccomp(architecture: string) {
  const names = architectures[architecture]
  if (names === undefined) return undefined
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: names,
    syscalls: [
      { names: refused, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
      // A user namespace of its own would give back every capability, inside it.
      { names: ['unshare'], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [flagged(0)] },
      { names: ['clone'], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [flagged(0)] },
      // Its flags lie in memory, out of a filter's sight; without it the C library falls back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    ],
  }
}

const EPERM = 1
const ENOSYS = 38
const CLONE_NEWUSER = 0x10000000

const flagged = (index: number) => ({ index, value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER, op: 'SCMP_CMP_MASKED_EQ' })

/** By node's name of the processor. */
const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

const refused: readonly string[] = [
  'add_key',
  'bpf',
  'delete_module',
  'finit_module',
  'init_module',
  'kexec_file_load',
  'kexec_load',
  'keyctl',
  'open_by_handle_at',
  'perf_event_open',
  'request_key',
  'userfaultfd',
]
