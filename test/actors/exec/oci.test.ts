import { expect, test } from 'vitest'
import { lastLine, ociAt, refusal } from '../../../actors/exec/oci.ts'
import { signalNumber } from '../../../actors/exec/signals.ts'

test.each([
  ['exec: "nothere": executable file not found in $PATH', 'not_found', 'the image has no program nothere'],
  [
    'runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory',
    'not_found',
    'the image has no program /x',
  ],
  ['executable file `nothere` not found in $PATH: No such file or directory', 'not_found', 'the image has no program nothere'],
  ['exec /usr/bin/tool: no such file or directory', 'not_found', 'the image has no program /usr/bin/tool'],
  [
    'runc create failed: unable to start container process: exec: "/bin/data": permission denied',
    'permission_denied',
    '/bin/data may not be executed',
  ],
  ['open executable: Permission denied', 'permission_denied', 'asked may not be executed'],
  ['exec container process `/bin/other`: Exec format error', 'failed_precondition', '/bin/other is not a program for this machine'],
  ['container does not exist', 'not_found', 'container does not exist'],
  [
    'error opening file `/tmp/exec/status`: No such file or directory',
    'not_found',
    'error opening file `/tmp/exec/status`: No such file or directory',
  ],
  ['mkdir: no space left on device', 'resource_exhausted', 'mkdir: no space left on device'],
  ['something new', 'failed_precondition', 'something new'],
  ['', 'failed_precondition', 'the runtime does not say why'],
])('what the runtime says (%j) becomes %s', (said, code, message) => {
  expect(refusal('create task c', said, ['asked'])).toMatchObject({ code, message: `create task c: ${message}` })
})

test('the last line counts, as text or as JSON, whatever the runtime', () => {
  expect(lastLine('one\ntwo\n')).toBe('two')
  expect(lastLine('{"msg":"a"}\n{"level":"error","msg":"b"}\n')).toBe('b')
  expect(lastLine('time="now" level=error msg="it is \\"quoted\\""\n')).toBe('it is "quoted"')
  expect(lastLine('')).toBe('')
})

test('without cgroups crun is told so; runc cannot be', () => {
  expect(ociAt('/usr/bin/crun', { state: '/s', cgroups: false }).args).toEqual(['--root=/s', '--cgroup-manager=disabled'])
  expect(ociAt('/usr/bin/crun', { state: '/s', cgroups: true }).args).toEqual(['--root=/s'])
  expect(ociAt('/usr/sbin/runc', { state: '/s', cgroups: false }).args).toEqual(['--root=/s'])
})

test.each([
  ['TERM', 15],
  ['SIGTERM', 15],
  ['sigkill', 9],
  ['9', 9],
  ['64', 64],
  ['RTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['RTMAX-1', 63],
])('signal %s is %i', (text, number) => {
  expect(signalNumber(text)).toBe(number)
})

test.each(['', '0', '65', '-9', 'NOPE', 'RTMAX+1', '1e1', '__proto__', 'constructor'])('signal %j is refused', (text) => {
  expect(() => signalNumber(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})
