/** A node of {@link openRoom} in a process of its own, to be killed: makes and starts the container `c`, then stays. */
import { openRoom, reference } from './room.ts'

const [root = '', runtime = ''] = process.argv.slice(2)
const room = await openRoom({ root, runtime })
await room.container.create({ id: 'c', image: reference, args: ['sh', '-c', 'echo up; read line; exit 6'] })
await room.exec.create({ id: 'c' })
await room.exec.start({ id: 'c' })
setInterval(() => {}, 1 << 30)
