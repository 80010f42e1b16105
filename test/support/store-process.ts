/** A node's content store in a process of its own: `node store-process.ts <root> <node> <nats url>`. Says `ready` when it can be asked. */
import { connectNats } from '../../runtime/bus/nats.ts'
import { startStore } from './content.ts'

const [root = '', node = '', url = ''] = process.argv.slice(2)
const bus = await connectNats({ url }, {})
await startStore({ root, node, bus })
console.log('ready')
setInterval(() => {}, 1_000)
