import { describe, expect, test } from 'vitest'
import { openRoom, runtimesHere } from '../../support/room.ts'

describe.each(await runtimesHere())('under $name', ({ path: runtime }) => {
  test('a program runs, what it writes is told apart by stream, and its exit code is known', async () => {
    await using room = await openRoom({ runtime })
    const id = await room.start('echo out; echo err >&2; printf "no newline"; exit 7')
    expect(await room.exitCode(id)).toBe(7)
    expect(await room.output(id)).toMatchObject({ stdout: 'out\nno newline', stderr: 'err\n' })
  })
})
