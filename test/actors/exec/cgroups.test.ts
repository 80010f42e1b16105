import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cgroupName } from '../../../actors/exec/cgroups.ts'

/** What a probe sees, and a program says, where `mount` is all there is of cgroups. */
function without(mount: string): { usable: boolean; kind: string; said: string; paused: string } {
  const script = join(import.meta.dirname, '../../support/cgroup-process.ts')
  const shell = `umount -R /sys/fs/cgroup; ${mount}; exec "$@"`
  const args = ['-m', '--propagation', 'private', 'sh', '-c', shell, 'sh', process.execPath, script]
  return JSON.parse(execFileSync('unshare', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }))
}

test.each([
  ['there are none', 'mount -t tmpfs t /sys/fs/cgroup', 'none'],
  ['they cannot be written', 'mount -t cgroup2 -o ro c /sys/fs/cgroup', 'unified'],
])('where %s, crun runs without them, and nothing can be paused', (_, mount, kind) => {
  expect(without(mount)).toEqual({ usable: false, kind, said: 'hi\n', paused: 'unimplemented' })
})

test('two nodes of one machine have cgroups of their own for containers of one name', () => {
  expect(cgroupName('/a', 'c')).not.toBe(cgroupName('/b', 'c'))
  expect(cgroupName('/a', 'c')).toMatch(/^\/gantry-[0-9a-f]{8}-c$/)
})
