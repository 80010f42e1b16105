/** A process of its own that ingests, to be killed: `node crash-child.ts <root> hold`, or `node crash-child.ts <root> crash <n> <inside|after>`. */
import { appendFile } from 'node:fs/promises'
import type { Tables } from '../../../runtime/tables.ts'
import { digestOf, startStore } from '../../support/content.ts'
import { blob, half, small } from './child-blobs.ts'

const [root = '', mode, at, when] = process.argv.slice(2)

/** Tables that take this process with them at the nth transaction: before it is committed, or right after. */
function fatal(tables: Tables): Tables {
  let count = 0
  return {
    ...tables,
    async transaction(work) {
      const last = ++count === Number(at)
      const result = await tables.transaction(() => {
        const done = work()
        if (last && when === 'inside') process.kill(process.pid, 'SIGKILL')
        return done
      })
      if (last) process.kill(process.pid, 'SIGKILL')
      return result
    },
  }
}

const store = await startStore({ root, node: 'child', ...(mode === 'crash' && { tables: fatal }) })
const { token, path, offset } = await store.ingest.open({ reference: 'r', expected: digestOf(blob), total: blob.length })
await store.ingest.write({ token, offset, bytes: blob.subarray(offset, half) })
if (mode === 'hold') {
  console.log('held')
  setInterval(() => {}, 1_000)
} else {
  // More than is verified before it is written down that it is to be.
  await appendFile(path, blob.subarray(half))
  await store.ingest.commit({ token, labels: { by: 'child' } })
  await store.ingest.put({ digest: digestOf(small), bytes: small })
  await store[Symbol.asyncDispose]()
  process.exit(0)
}
