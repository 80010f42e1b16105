/** Applies a layer as whoever runs it: blob, directory, way of whiteouts. Says what it came to, as JSON. */
import { statSync } from 'node:fs'
import { apply } from '../../../actors/unpack/apply.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { whole } from './applying.ts'

const [blob = '', path = '', whiteouts] = process.argv.slice(2)
const { size } = statSync(blob)
const applying = { growth: whole(blob, size), size, path, whiteouts: whiteouts === 'overlay' ? ('overlay' as const) : ('remove' as const) }
const outcome = await apply(applying, { signal: new AbortController().signal }).catch((error: unknown) => {
  const { code, message } = Failure.from(error)
  return { code, message }
})
process.stdout.write(JSON.stringify(outcome))
