import type { Blob } from './ingest-blobs.ts'

/** A content store that runs, and the ways a blob may come into it. */
export interface BenchStore extends AsyncDisposable {
  /** a directory of the file system it works on */
  readonly root: string
  readonly ways: readonly Way[]
}

/** One way of bringing a blob; resolves when it is content. */
export interface Way {
  readonly name: string
  /** most bytes it is meant for */
  readonly upTo?: number
  ingest(blob: Blob): Promise<void>
}
