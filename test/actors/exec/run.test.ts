import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openRoom, type Room, runtimesHere } from '../../support/room.ts'

describe.each(await runtimesHere())('under $name', ({ path: runtime }) => {
  test('a program runs, what it writes is told apart by stream, and its exit code is known', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('echo out; echo err >&2; printf "no newline"; exit 7')
    expect(await room.exitCode(id)).toBe(7)
    expect(await room.output(id)).toMatchObject({ stdout: 'out\nno newline', stderr: 'err\n' })
    expect(await room.exec.remove({ id })).toMatchObject({ state: 'stopped', exitCode: 7 })
  })

  test('a program that a signal ended has 128 + its number as exit code', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await room.exec.kill({ id, signal: 'sigkill' })
    expect(await room.exitCode(id)).toBe(137)
    await expect(room.exec.kill({ id })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a signal reaches a program that handles it', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('trap "echo got it; exit 5" USR1; echo ready; while :; do sleep 0.01; done')
    await firstOutput(room, id)
    await room.exec.kill({ id, signal: '10' })
    expect(await room.exitCode(id)).toBe(5)
    expect((await room.output(id)).stdout).toBe('ready\ngot it\n')
  })

  test('five megabytes of any bytes come back as they went in, and the end of input is seen', async () => {
    await using room = await openRoom({ runtime })
    const sent = randomBytes(5 * 1024 * 1024)
    const id = await room.start(['cat'], { stdin: true })
    const piece = 256 * 1024
    for (let at = 0; at < sent.length; at += piece) {
      await room.exec.write({ id, bytes: sent.subarray(at, at + piece), end: at + piece >= sent.length })
    }
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).bytes.equals(sent)).toBe(true)
  })

  test('an input that was never written to can be ended', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('cat; echo over', { stdin: true })
    await room.exec.write({ id, bytes: new Uint8Array(), end: true })
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).stdout).toBe('over\n')
  })

  test('without an open input, a program reads its end at once, and cannot be written to', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('cat; echo over; sleep 1000')
    await firstOutput(room, id)
    await expect(room.exec.write({ id, bytes: Buffer.from('hi') })).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  test('a large output is told whole, in order', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('i=0; while [ $i -lt 20000 ]; do echo "line $i of a great many, each of some length"; i=$((i+1)); done')
    expect(await room.exitCode(id)).toBe(0)
    const lines = (await room.output(id)).stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(20000)
    expect(lines.findIndex((line, i) => line !== `line ${i} of a great many, each of some length`)).toBe(-1)
  })

  test('whoever attaches while it runs is told everything from the first byte, until the end', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('echo first; read more; echo "then $more"', { stdin: true })
    await firstOutput(room, id)
    const all = room.output(id)
    await room.exec.write({ id, bytes: Buffer.from('this\n') })
    expect((await all).stdout).toBe('first\nthen this\n')
  })

  test('with a terminal, a program sees one of the right size, and is told of a new size', async () => {
    await using room = await openRoom({ runtime })
    const script = 'trap "stty size; exit 3" WINCH; tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; while :; do sleep 0.01; done'
    const id = await room.start(script, { terminal: true, stdin: true })
    await firstOutput(room, id, 'all')
    await room.exec.resize({ id, columns: 77, rows: 33 })
    expect(await room.exitCode(id)).toBe(3)
    expect((await room.output(id)).stdout).toBe('/dev/pts/0\r\nall\r\n33 77\r\n')
  })

  test('what is typed at a terminal arrives, and its end is typed too', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('stty -echo; echo ready; cat; echo over', { terminal: true, stdin: true })
    await firstOutput(room, id, 'ready')
    await room.exec.write({ id, bytes: Buffer.from('typed\n'), end: true })
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).stdout).toBe('ready\r\ntyped\r\nover\r\n')
  })

  test('a task without a terminal cannot be resized', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await expect(room.exec.resize({ id, columns: 1, rows: 1 })).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  test('a user of the image is found by name, with all groups, and a home', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('id -u; id -g; id -G; echo $HOME', { user: 'redis' })
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).stdout).toBe('100\n101\n101 102\n/data\n')
  })

  test('environment and working directory are the image’s with the request’s over them; a directory not there is made', async () => {
    await using room = await openRoom({ runtime, config: { Env: ['PATH=/bin', 'A=image', 'B=image'], WorkingDir: '/not/there' } })
    const id = await room.start('pwd; echo $A $B $HOME; hostname', { id: 'named', env: ['B=request'] })
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).stdout).toBe('/not/there\nimage request /root\nnamed\n')
  })

  test('a program has what it needs around it, and little more', async () => {
    await using room = await openRoom({ runtime })
    const script = [
      'ls /dev | tr "\\n" " "; echo',
      '[ -d /proc/1 ] && echo proc',
      'echo x > /dev/shm/x && echo shm',
      'echo x 2>/dev/null > /proc/sys/kernel/hostname || echo proc/sys is read-only',
      'echo x 2>/dev/null > /etc/hosts || echo hosts is read-only',
      'grep -c named /etc/hosts',
      'grep -E "CapInh|NoNewPrivs" /proc/self/status',
      'wc -c < /proc/interrupts',
      'ls -d /proc/[0-9]* | wc -l',
      'unshare -U true 2>/dev/null || echo no user namespace',
    ].join('\n')
    const id = await room.start(script, { id: 'named' })
    expect(await room.exitCode(id)).toBe(0)
    const lines = (await room.output(id)).stdout.trimEnd().split('\n')
    expect(lines[0]?.split(' ').filter(Boolean)).toEqual(
      expect.arrayContaining(['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'pts', 'shm', 'stdin']),
    )
    expect(lines.slice(1, 6)).toEqual(['proc', 'shm', 'proc/sys is read-only', 'hosts is read-only', '1'])
    expect(lines.slice(6, 9).map((line) => line.replace(/\s+/, ' '))).toEqual(['CapInh: 0000000000000000', 'NoNewPrivs: 1', '0'])
    expect(Number(lines[9])).toBeLessThan(5)
    expect(lines[10]).toBe('no user namespace')
  })

  test('a read-only container cannot write to its root; one that is not, can', async () => {
    await using room = await openRoom({ runtime })
    const script = 'echo x > /file && echo written'
    const writable = await room.start(script)
    const readonly = await room.start(script, { readonly: true })
    expect(await room.exitCode(writable)).toBe(0)
    expect(await room.exitCode(readonly)).not.toBe(0)
    expect((await room.output(writable)).stdout).toBe('written\n')
  })

  test('a paused task stands still until it is resumed', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('read line; echo "$line"', { stdin: true })
    expect(await room.exec.pause({ id })).toMatchObject({ state: 'paused' })
    await room.exec.write({ id, bytes: Buffer.from('hello\n') })
    expect(await room.exec.state({ id })).toMatchObject({ state: 'paused' })
    expect(await room.exec.resume({ id })).toMatchObject({ state: 'running' })
    expect(await room.exitCode(id)).toBe(0)
    await room.exec.remove({ id })
    expect(room.told.map(({ fact }) => fact)).toEqual(['created', 'created', 'started', 'paused', 'resumed', 'exited', 'removed'])
  })

  test('a paused task can be killed', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await room.exec.pause({ id })
    await room.exec.kill({ id, signal: 'KILL' })
    expect(await room.exitCode(id)).toBe(137)
  })
})

/** Wait until a program has written `text`, or anything. */
async function firstOutput(room: Room, id: string, text = ''): Promise<void> {
  let seen = ''
  for await (const { bytes } of room.exec.attach({ id })) {
    seen += Buffer.from(bytes).toString()
    if (seen.includes(text)) return
  }
}
