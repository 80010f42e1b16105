import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Blob } from './ingest-blobs.ts'
import { run } from './measure.ts'

/** What the machine itself takes for blobs of a size, ms each: one process, one after the other, no questions and no records. */
export interface IngestLimits {
  readonly size: number
  readonly hash: number
  /** a file made, written, and renamed into its place */
  readonly write: number
  /** as write, with all on disk at the end */
  readonly durable: number
  /** as write, each on disk before the next */
  readonly fsync: number
}

export async function ingestLimits(blobs: readonly Blob[], options: { scratch: string }): Promise<IngestLimits> {
  const directory = await mkdtemp(join(options.scratch, 'limits-'))
  const each = (work: (blob: Blob) => void) => {
    const began = performance.now()
    for (const blob of blobs) work(blob)
    return (performance.now() - began) / blobs.length
  }
  const hash = each(({ bytes }) => void createHash('sha256').update(bytes).digest())
  const began = performance.now()
  const write = each((blob) => place(join(directory, `w-${blob.digest}`), blob.bytes))
  await run('sync', ['-f', directory])
  const durable = (performance.now() - began) / blobs.length
  const fsync = each((blob) => place(join(directory, `f-${blob.digest}`), blob.bytes, { sync: true }))
  return { size: blobs[0]?.bytes.length ?? 0, hash, write, durable, fsync }
}

function place(path: string, bytes: Buffer, { sync = false } = {}): void {
  const file = openSync(`${path}.new`, 'wx', 0o444)
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
  if (sync) fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
}
