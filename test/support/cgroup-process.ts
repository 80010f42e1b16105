/** Runs one container under crun, in a process whose view of cgroups was changed before, and prints what came of it. */
import { probeCgroups } from '../../actors/exec/cgroups.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { openRoom } from './room.ts'

const { usable, kind } = await probeCgroups()
await using room = await openRoom({ runtime: 'crun' })
const id = await room.start('echo hi; read line', { stdin: true })
const paused = await room.exec.pause({ id }).then(
  () => 'paused',
  (error: unknown) => Failure.from(error).code,
)
await room.exec.write({ id, bytes: new Uint8Array(), end: true })
const { stdout } = await room.output(id)
process.stdout.write(JSON.stringify({ usable, kind, said: stdout, paused }))
