/** A node of {@link openRoom} in a process of its own, to be killed: makes and starts the container `c`, however long that takes, then stays. */
import { openRoom, reference } from '../../support/room.ts'

const patient = { timeoutMs: 600_000 }

const [root = '', runtime = ''] = process.argv.slice(2)
const room = await openRoom({ root, runtime })
await room.container.create({ id: 'c', image: reference, args: ['sh', '-c', 'echo up; read line; exit 6'] }, patient)
await room.exec.create({ id: 'c' }, patient)
await room.exec.start({ id: 'c' }, patient)
setInterval(() => {}, 1 << 30)
