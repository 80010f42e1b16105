import { readFileSync } from 'node:fs'

/**
 * Whether overlayfs here keeps what it knows of a file in `user.overlay.*` (its option `userxattr`) and not in `trusted.overlay.*`: only root of the machine may
 * write the latter, root of a user namespace may not.
 */
export function userxattr(): boolean {
  own ??= !everybody.test(uidMap())
  return own
}

/** The attribute that, being `y`, makes a directory hide all that is below it. */
export const opaqueName = (): string => `${userxattr() ? 'user' : 'trusted'}.overlay.opaque`

let own: boolean | undefined

/** Every user of the machine is here who they are there. */
const everybody = /^\s*0\s+0\s+4294967295\s*$/

function uidMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'utf8')
  } catch {
    return '0 0 4294967295'
  }
}
