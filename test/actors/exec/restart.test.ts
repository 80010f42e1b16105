import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { placesOf } from '../../../actors/exec/bundle.ts'
import { ociAt } from '../../../actors/exec/oci.ts'
import { openTasks } from '../../../actors/exec/tasks.ts'
import { livingAt } from '../../../runtime/alive.ts'
import { mountedUnder } from '../../../runtime/mounts.ts'
import { openRoom, processesOf, type Room, reference, runtimesHere } from '../../support/room.ts'

describe.each(await runtimesHere())('under $name', ({ path: runtime }) => {
  test('a running task goes on when its node stops, and is the node’s again when it comes back', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('trap "echo after; exit 4" USR1; echo before; while :; do sleep 0.01; done')
    const { pid } = await room.exec.state({ id })
    await outputHas(room, id, 'before')
    await room.restart()
    expect(await room.exec.state({ id })).toMatchObject({ state: 'running', pid })
    await room.exec.kill({ id, signal: 'USR1' })
    expect(await room.exitCode(id)).toBe(4)
    expect((await room.output(id)).stdout).toBe('before\nafter\n')
  })

  test('what is typed at a terminal still arrives after the node was restarted', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('stty -echo; echo ready; read a; echo "[$a]"; read b; echo "[$b]"', { terminal: true, stdin: true })
    await outputHas(room, id, 'ready')
    await room.exec.write({ id, bytes: Buffer.from('one\n') })
    await outputHas(room, id, '[one]')
    await room.restart()
    await room.exec.write({ id, bytes: Buffer.from('two\n') })
    expect(await room.exitCode(id)).toBe(0)
    expect((await room.output(id)).stdout).toContain('[two]')
  })

  test('a task that ended while the node was away is found stopped, with its exit code and all its output', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('echo going; sleep 0.2; echo gone; exit 9')
    await outputHas(room, id, 'going')
    await room.restart({ meanwhile: () => exitFile(room, id) })
    expect(await room.exec.state({ id })).toMatchObject({ state: 'stopped', exitCode: 9 })
    expect((await room.output(id)).stdout).toBe('going\ngone\n')
    expect(room.told.filter(({ fact }) => fact === 'exited')).toMatchObject([{ data: { id, exitCode: 9 } }])
  })

  test('a task that vanished with its monitor, as in a reboot, is found stopped with 255', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await room.restart({ meanwhile: () => killAll(room, id) })
    expect(await room.exec.state({ id })).toMatchObject({ state: 'stopped', exitCode: 255 })
    await room.exec.remove({ id })
    expect(await mountedUnder(room.home.root)).toEqual([])
  })

  test('a container whose monitor dies is ended: nobody would see its end', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await killMonitor(room, id)
    expect(await room.exitCode(id)).toBe(255)
    await room.exec.remove({ id })
    expect(await processesOf(room.home.root)).toEqual([])
  })

  test('a container whose monitor dies after the node came back is ended too', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start(['sleep', '1000'])
    await room.restart()
    await killMonitor(room, id)
    expect(await room.exitCode(id)).toBe(255)
    await room.exec.remove({ id })
    expect(await processesOf(room.home.root)).toEqual([])
  })

  test('a container whose monitor dies while the node is away is left to the next run', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('trap "exit 5" USR1; echo ready; while :; do sleep 0.01; done')
    await outputHas(room, id, 'ready')
    const places = placesOf(room.home.root)
    const oci = (program: string) => ociAt(program, { state: places.runtime, cgroups: true })
    const stopped = openTasks({ ...room.home, places, plans: new Map(), oci, cgroup: () => undefined })
    await stopped[Symbol.asyncDispose]()
    await stopped.settle(id, { unwatched: true })
    await room.exec.kill({ id, signal: 'USR1' })
    expect(await room.exitCode(id)).toBe(5)
  })

  test('a task half made when the node was killed is gone when it comes back, and can be made again', async () => {
    await using room = await openRoom({ runtime })
    await room.container.create({ id: 'c', image: reference, args: ['true'] })
    const creating = room.exec.create({ id: 'c' })
    creating.catch(() => {})
    await directoryHas(room.home.root, 'c')
    await room.restart()
    await expect(creating).rejects.toThrow()
    expect((await room.exec.list({})).tasks).toEqual([])
    expect(await mountedUnder(room.home.root)).toEqual([])
    expect(await readdir(join(room.home.root, 'containers'))).toEqual([])
    await room.exec.create({ id: 'c' })
    await room.exec.start({ id: 'c' })
    expect(await room.exitCode('c')).toBe(0)
  })
})

async function outputHas(room: Room, id: string, text: string): Promise<void> {
  let seen = ''
  for await (const { bytes } of room.exec.attach({ id })) {
    seen += Buffer.from(bytes).toString()
    if (seen.includes(text)) return
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Wait until the container has left its exit code. */
async function exitFile(room: Room, id: string): Promise<void> {
  while (!(await readdir(join(room.home.root, 'exits'))).includes(id)) await turn()
}

async function directoryHas(root: string, id: string): Promise<void> {
  while (!(await readdir(join(root, 'containers')).catch((): string[] => [])).includes(id)) await turn()
}

/** End the monitor, by the pid it runs as. It loses its command line a moment before it has ended: that is waited for. */
async function killMonitor(room: Room, id: string): Promise<void> {
  const bundle = join(room.home.root, 'containers', id)
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (!args.includes('--exit-dir') || !args.includes(bundle)) continue
    process.kill(Number(pid), 'SIGKILL')
    while (await livingAt(Number(pid))) await turn()
  }
}

async function killAll(room: Room, id: string): Promise<void> {
  const pid = Number(await readFile(join(room.home.root, 'containers', id, 'pid'), 'utf8'))
  await killMonitor(room, id)
  process.kill(pid, 'SIGKILL')
}
