/** A node's stored tables. The one door to lmdb. */
import { mkdir, open as openFile, statfs } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import { open, type RootDatabase } from 'lmdb'
import { Failure } from '../messages/grammar/index.ts'
import { type Committing, openCommits, type Tree } from './commits.ts'
import { errnoOf, fromErrno } from './errno.ts'
import { openOpening } from './opening.ts'
import { reserve } from './syscalls/index.ts'

/** One table: JSON-like values by string key, ordered by key. Reads are synchronous and see the latest committed state (inside a transaction: its own writes). */
export interface Table<V> {
  get(key: string): V | undefined
  /** only inside {@link Tables.transaction}; a key is at most 1,900 bytes, longer ones fail with invalid_argument */
  put(key: string, value: V): void
  /** only inside {@link Tables.transaction}; whether there was one */
  remove(key: string): boolean
  /**
   * Entries in the order of their keys (by code point), from the first after `after`, those beginning with `prefix`, at most `limit`.
   * Read piece by piece while it is walked, so what is written meanwhile may or may not be seen; inside a transaction it may be walked while writing.
   */
  range(options?: {
    after?: string | undefined
    prefix?: string | undefined
    limit?: number | undefined
  }): Iterable<{ key: string; value: V }>
}

/**
 * All tables of one root, shared by its threads and processes: any number of them may open the same directory, writes queue behind each other,
 * and what one has committed the others see with their next read.
 *
 * A committed transaction survives the death of the process (kill -9), also of one that dies inside a transaction: nothing of that one is seen.
 * It reaches the disk shortly after: a power loss or a crash of the kernel may take back the last transactions, whole and in order, never leaving a
 * broken file; what must not be taken back waits for {@link Tables.flushed}.
 */
export interface Tables extends AsyncDisposable {
  table<V>(name: string): Table<V>
  /**
   * Run `work` in one atomic write transaction. `work` is synchronous and does no I/O; what it throws undoes everything. Resolves once committed.
   * The calling thread is not blocked while others write, nor does anybody wait for the disk: transactions of all threads and processes run one after another, in the order asked
   * within a thread.
   */
  transaction<R>(work: () => R): Promise<R>
  /** Have `work` called once the transaction the caller is inside of is committed, and never if it is undone. */
  afterCommit(work: () => void): void
  /** Resolves once everything this thread committed so far is on disk. Fails with what the disk failed with, for as long as nothing later reached it. */
  flushed(): Promise<void>
  /** Waits for the transactions asked for, and for the disk. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Open, or make, the tables of a directory. The directory is this node's own (0700). */
export async function openTables(directory: string): Promise<Tables> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // One tree for all tables: opening another named tree needs a write lock, taken synchronously, and a limit known beforehand.
  // A map far larger than ever needed costs only address space and spares growing it under readers of other processes.
  const opening = await openOpening(directory)
  const openTree = () =>
    open<unknown, Buffer>(directory, {
      noSubdir: false,
      keyEncoding: 'binary',
      encoder: { useRecords: false },
      mapSize: mapBytes,
      maxReaders: 512,
      // Transactions are gathered all the same; with it a commit that fails also rejects a promise nobody is given, which would end the process.
      eventTurnBatching: false,
    })
  const tree = await opening.alone(openTree)
  await keepRoom(join(directory, 'data.mdb'))
  const state: Access = {
    writing: false,
    after: [],
    underWay: new Set(),
    onTheWay: new Set(),
    fresh: false,
    closed: false,
    uncommitted: undefined,
  }
  const commits = openCommits(tree as unknown as Tree)

  async function run<R>(work: () => R): Promise<R> {
    const turn = opening.enter()
    if (turn) await turn
    const after: (() => void)[] = []
    const { seen, kept } = begin(() => exclusively(state, after, work))
    attend(kept)
    try {
      const result = await seen
      for (const then of after) then()
      return result
    } catch (error) {
      throw isUncommitted(error) ? await whyNotCommitted(error, directory) : error
    }
  }

  function begin<R>(work: () => R): Committing<R> {
    try {
      return commits.run(work)
    } catch (error) {
      opening.leave()
      throw Failure.from(error)
    }
  }

  /** Nobody may open the tables before it is on disk, nor are they closed before. */
  function attend(kept: Promise<void>): void {
    const done = (error?: unknown) => {
      state.uncommitted = error
      state.onTheWay.delete(waiting)
      opening.leave()
    }
    const waiting = kept.then(() => done(), done)
    state.onTheWay.add(waiting)
  }

  return {
    table: (name) => openTable(tree, name, state),
    async transaction(work) {
      if (state.writing) throw new Failure('internal', 'run a transaction: inside another one')
      demandOpen(state)
      const running = run(work)
      state.underWay.add(running)
      try {
        return await running
      } finally {
        state.underWay.delete(running)
      }
    },
    afterCommit(work) {
      if (!state.writing) throw new Failure('internal', 'wait for a commit: not inside a transaction')
      state.after.push(work)
    },
    async flushed() {
      await Promise.all(state.onTheWay)
      if (state.uncommitted) throw await whyNotCommitted(state.uncommitted, directory)
    },
    async [Symbol.asyncDispose]() {
      if (state.closed) return
      state.closed = true
      // lmdb waits for what it has begun to write, not for what has yet to write.
      await Promise.allSettled(state.underWay)
      await Promise.all(state.onTheWay)
      // After a commit that failed it would wait for ever for that one to be on disk.
      if (!state.uncommitted) await tree.close()
      await opening[Symbol.asyncDispose]()
    },
  }
}

/** What frees a full disk has to be written down first: the tables have room to grow that nobody else can take. Where the file system cannot do that, they have not. */
async function keepRoom(path: string): Promise<void> {
  await using file = await openFile(path, 'r+')
  const { size } = await file.stat()
  try {
    reserve(file.fd, size + roomBytes)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}

const roomBytes = 8 * 2 ** 20

/** lmdb tells apart that a commit failed and why, by the number of the errno; a write cut short, as by a full disk, it calls an I/O error. */
async function whyNotCommitted(error: unknown, directory: string): Promise<Failure> {
  const why: unknown = await Promise.resolve(isUncommitted(error) ? error.commitError : error).catch((error: unknown) => error)
  const number = typeof why === 'object' && why !== null && 'code' in why ? Number(why.code) : 0
  if (!(number > 0)) return fromErrno(why, 'commit to the tables')
  const errno = number === constants.errno.EIO && (await isFull(directory)) ? constants.errno.ENOSPC : number
  return fromErrno(Object.assign(new Error(getSystemErrorMessage(-errno)), { code: getSystemErrorName(-errno) }), 'commit to the tables')
}

const isUncommitted = (error: unknown): error is { commitError: unknown } => error instanceof Error && 'commitError' in error

const isFull = async (directory: string): Promise<boolean> => (await statfs(directory)).bavail === 0

const mapBytes = 64 * 2 ** 30
const keyBytes = 1900
const pageEntries = 256

/** What we know of our own access: whether we are inside a transaction and what follows it, and whether the read snapshot is of this stretch of code. */
interface Access {
  writing: boolean
  after: (() => void)[]
  readonly underWay: Set<Promise<unknown>>
  /** on their way to the disk */
  readonly onTheWay: Set<Promise<void>>
  fresh: boolean
  closed: boolean
  /** why the latest transaction could not be committed, or is not on disk */
  uncommitted: unknown
}

function demandOpen(state: Access): void {
  if (state.closed) throw new Failure('unavailable', 'use the tables: they are closed')
}

/** Run `work` as the one transaction of this thread. */
function exclusively<R>(state: Access, after: (() => void)[], work: () => R): R {
  state.writing = true
  state.after = after
  try {
    const result = work()
    if (result instanceof Promise) throw new Failure('internal', 'run a transaction: its work is not synchronous')
    return result
  } finally {
    state.writing = false
  }
}

function openTable<V>(tree: RootDatabase<unknown, Buffer>, name: string, state: Access): Table<V> {
  if (!/^[a-z0-9.-]+$/.test(name))
    throw new Failure('invalid_argument', `open table ${JSON.stringify(name)}: the name has characters that may not be there`)
  const first = Buffer.from(`${name}\0`)
  const keyOf = (key: string) => Buffer.concat([first, Buffer.from(key)])
  const toRead = () => {
    if (state.writing) return
    demandOpen(state)
    refresh(tree, state)
  }
  const toWrite = (key: string) => {
    if (!state.writing) throw new Failure('internal', `write ${JSON.stringify(key)} to table ${name}: not inside a transaction`)
    const stored = keyOf(key)
    if (stored.length > keyBytes)
      throw new Failure('invalid_argument', `write to table ${name}: a key of ${stored.length} bytes, ${keyBytes} are allowed`)
    return stored
  }
  return {
    get(key) {
      toRead()
      const stored = keyOf(key)
      return stored.length > keyBytes ? undefined : (tree.get(stored) as V | undefined)
    },
    put: (key, value) => tree.putSync(toWrite(key), value),
    remove: (key) => tree.removeSync(toWrite(key)),
    *range({ after, prefix = '', limit = Number.POSITIVE_INFINITY } = {}) {
      const end = Buffer.concat([keyOf(prefix), Buffer.of(0xff)]) // no UTF-8 has this byte
      let start = keyOf(prefix)
      if (start.length > keyBytes) return
      const next = after === undefined ? start : storable(keyOf(`${after}\0`))
      if (next.compare(start) > 0) start = next
      for (let left = limit; left > 0; ) {
        toRead()
        const page = [...tree.getRange({ start, end, limit: Math.min(left, pageEntries) })]
        for (const entry of page) yield { key: entry.key.toString('utf8', first.length), value: entry.value as V }
        const last = page.at(-1)
        if (last === undefined || page.length < pageEntries) return
        start = Buffer.concat([last.key, Buffer.of(0)])
        left -= page.length
      }
    },
  }
}

/** The first key that can be in a table, not before one that may be too long to be. */
function storable(key: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  if (key.length <= keyBytes) return key
  const cut = key.subarray(0, keyBytes)
  cut[keyBytes - 1] = (cut.at(-1) ?? 0) + 1 // no UTF-8 has 0xff
  return cut
}

/**
 * Make the next read see the latest commit of any thread or process. lmdb keeps its snapshot for a turn of the event loop; this renews it for each
 * stretch of code that runs without a break, within which nobody can have told us of a later one.
 */
function refresh(tree: RootDatabase<unknown, Buffer>, state: Access): void {
  if (state.fresh) return
  state.fresh = true
  tree.resetReadTxn()
  queueMicrotask(() => {
    state.fresh = false
  })
}
