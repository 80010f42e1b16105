/** The one tree of all tables, as far as committing to it goes. */
export interface Tree {
  /** Outside a transaction: have `work` called inside one. Resolves once that one is on disk. */
  transaction(work: () => void): Promise<void>
  /** Inside a transaction: run `work` so that what it throws undoes what it did, and only that. */
  childTransaction(work: () => unknown): unknown
  getWriteTxnId(): number
  /** of the library's own, and in its types not mentioned */
  readonly env: Environment
}

interface Environment {
  /** Have another thread begin to write, and tell how far it came; any other status is of an error. */
  startWriting(address: number, told: (status: number) => unknown): unknown
  info(): { readonly lastTxnId: number }
}

/** What the writing thread tells, in this order. */
const [inTransaction, isCommitted, isOnDisk] = [2, 1, 0]

/** What came of what was run in a transaction. */
export interface Committing<R> {
  /** Resolves once everybody sees it, as soon as that is so. Rejects with what `work` threw, or when it cannot be committed; so it does, though it may be seen, where the disk failed at once. */
  readonly seen: Promise<R>
  /** Resolves once it is on disk; rejects when it cannot be committed, or could be and did not reach the disk. */
  readonly kept: Promise<void>
}

/**
 * Transactions of one thread. What is asked for before one begins is part of that one.
 *
 * lmdb (3.5.6) makes a commit visible to all threads and processes first and has the disk take it after that, when the next transaction may run already. Its promises, though, wait for the
 * disk, whatever its manual says, and so each transaction would take as long as two flushes of it. It is told of the first by its own writing thread, which is listened to here. What that one
 * has to say when it cannot even begin, as after a write that failed half way, is lost on those promises too; it keeps the lock then, and nothing can be written any more.
 */
export function openCommits(tree: Tree): { run<R>(work: () => R): Committing<R> } {
  const { env } = tree
  let gathering: Batch | undefined
  let broken: Error | undefined
  const begun = new Set<Batch>()

  // Only one batch at a time has been asked for and not begun, so that what the writing thread tells is of transactions that have run.
  const startWriting = env.startWriting
  Object.defineProperty(env, 'startWriting', {
    value: (address: number, told: (status: number) => unknown) => {
      let inside = false
      return startWriting.call(env, address, (status) => {
        inside ||= status === inTransaction
        const answer = told(status)
        if (status === isCommitted) look()
        if (![inTransaction, isCommitted, isOnDisk].includes(status) && !inside) breakDown(status)
        return answer
      })
    },
  })

  function look(): void {
    const { lastTxnId } = env.info()
    for (const batch of begun) if (batch.transaction <= lastTxnId) see(batch)
  }

  function see(batch: Batch): void {
    if (begun.delete(batch)) for (const part of batch.parts) part.see()
  }

  function fail(batch: Batch, why: unknown): void {
    if (gathering === batch) gathering = undefined
    if (begun.delete(batch) || batch.transaction === 0) for (const part of batch.parts) part.fail(why)
  }

  function breakDown(status: number): void {
    const why = new Error(`no transaction can be begun any more (lmdb error ${status})`)
    broken = Object.assign(new Error(why.message), { commitError: why })
    gathering?.keeping.reject(broken)
  }

  function gather(): Batch {
    const batch: Batch = { parts: [], transaction: 0, keeping: Promise.withResolvers() }
    const { promise, resolve, reject } = batch.keeping
    tree.transaction(() => begin(batch)).then(resolve, reject)
    promise.then(
      () => see(batch),
      (why: unknown) => fail(batch, why),
    )
    return batch
  }

  function begin(batch: Batch): void {
    gathering = undefined
    batch.transaction = tree.getWriteTxnId()
    for (const part of batch.parts) part.run()
    begun.add(batch)
  }

  return {
    run<R>(work: () => R) {
      if (broken) throw broken
      const { promise: seen, resolve, reject } = Promise.withResolvers<R>()
      gathering ??= gather()
      let settle = () => {}
      gathering.parts.push({
        run() {
          try {
            const result = tree.childTransaction(work) as R
            settle = () => resolve(result)
          } catch (error) {
            settle = () => reject(error)
          }
        },
        see: () => settle(),
        fail: reject,
      })
      return { seen, kept: gathering.keeping.promise }
    },
  }
}

/** What runs in one go, in one transaction. */
interface Batch {
  readonly parts: Part[]
  /** its number, 0 before it began */
  transaction: number
  /** settled once it is on disk, or cannot be */
  readonly keeping: PromiseWithResolvers<void>
}

interface Part {
  run(): void
  /** The transaction it ran in is committed. */
  see(): void
  fail(why: unknown): void
}
