/** A process that holds an ingest until it is killed: `node holder.process.ts <root> <reference>`. */
import { startStore } from '../support/content.ts'

const [root = '', reference = ''] = process.argv.slice(2)
const store = await startStore({ root, node: 'holder' })
const { token } = await store.ingest.open({ reference })
await store.ingest.write({ token, offset: 0, bytes: Buffer.from('half ') })
console.log('holds')
setInterval(() => {}, 1 << 30)
