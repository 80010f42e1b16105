/** `node apply-process.ts BLOB DIRECTORY DECODER`: apply one layer in a process of its own, and say what came of it. */
import { stat } from 'node:fs/promises'
import { apply } from '../../actors/unpack/apply.ts'
import type { Growth } from '../../actors/unpack/source.ts'
import { gzipDecoders } from '../../runtime/decompress/index.ts'

const [blob = '', directory = '', decoder] = process.argv.slice(2)
const { size } = await stat(blob)
async function* whole(): AsyncGenerator<Growth> {
  yield { path: blob, offset: size, complete: true }
}
const gzip = gzipDecoders().find(({ name }) => name === decoder)?.open
const began = performance.now()
const applied = await apply(
  { growth: whole(), size, path: directory, whiteouts: 'overlay', base: true },
  { signal: new AbortController().signal, gzip },
)
console.log(JSON.stringify({ ms: performance.now() - began, entries: applied.entries, bytes: applied.size }))
