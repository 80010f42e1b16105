/** Takes the bytes of an ingest, in order. Disposing it leaves what it has. */
export interface Taker extends AsyncDisposable {
  /** How many it has. */
  readonly offset: number
  /** How many of these, from the first on, lie at `at` already; undefined when that cannot be seen. */
  alike(at: number, bytes: Uint8Array): number | undefined
  append(bytes: Uint8Array): Promise<void>
  /** Throw away what follows an offset. */
  cut(offset: number): Promise<void>
  /** Resolves once ingest knows of all that was appended. */
  settle(): Promise<void>
}
