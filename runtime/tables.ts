/** A node's stored tables. The one door to lmdb. */

/** One table: JSON-like values by string key, ordered by key. Reads are synchronous and see the latest committed state (inside a transaction: its own writes). */
export interface Table<V> {
  get(key: string): V | undefined
  /** only inside {@link Tables.transaction} */
  put(key: string, value: V): void
  /** only inside {@link Tables.transaction}; whether there was one */
  remove(key: string): boolean
  range(options?: { after?: string | undefined; prefix?: string | undefined; limit?: number | undefined }): Iterable<{ key: string; value: V }>
}

/** All tables of one root, shared by its threads and processes. */
export interface Tables extends AsyncDisposable {
  table<V>(name: string): Table<V>
  /** Run `work` in one atomic write transaction. `work` is synchronous and does no I/O; what it throws undoes everything. Resolves once committed. */
  transaction<R>(work: () => R): Promise<R>
}
