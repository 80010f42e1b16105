/** Applies a layer as whoever runs it, or checks one: what to do, blob, directory, way of whiteouts. Says what it came to, as JSON. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { apply } from '../../../actors/unpack/apply.ts'
import { check } from '../../../actors/unpack/check/check.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { whole } from './applying.ts'

const [what, blob = '', path = '', way] = process.argv.slice(2)
const bytes = readFileSync(blob)
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const whiteouts = way === 'overlay' ? ('overlay' as const) : ('remove' as const)
const about = { growth: whole(blob, bytes.length), size: bytes.length, digest, path, whiteouts }
const options = { signal: new AbortController().signal }
const outcome: Promise<unknown> = what === 'check' ? check(about, options) : apply(about, options)
const said = await outcome.catch((error: unknown) => {
  const { code, message } = Failure.from(error)
  return { code, message }
})
process.stdout.write(JSON.stringify(said))
