/** A process that takes every step of a content store once: `node steps.process.ts <root>`. */
import { startStore } from '../support/content.ts'
import { takeSteps } from './steps.ts'

const [root = ''] = process.argv.slice(2)
const store = await startStore({ root, syncDelayMs: 0 })
await takeSteps(store)
await store[Symbol.asyncDispose]()
process.exit(0)
