import type { Mount, Target } from '../../messages/snapshot.ts'

/**
 * A snapshot driver: directories and mounts, nothing else. This file is the manual for writing one.
 *
 * **Terms.** A *layer* here is one snapshot as a driver sees it: an `id`, a kind, and the ids of its ancestors. Keys, names, labels, who is whose parent and
 * whether something may be removed are kept in records by the actor, and a driver never hears of them. Ids are short, made of digits, never used twice.
 * A driver has one directory of its own, and in it one directory for each id that needs one; a view mostly needs none.
 *
 * **Life.**
 *
 *     probe ─► prepare(active) ─► (somebody writes) ─► commit ─► remove ─► sweep
 *                        │                                         ▲
 *                        └─────────────────────────────────────────┘
 *              prepare(view) ─► (somebody looks) ─► remove
 *
 * A committed layer never changes again, and outlives every layer that has it among its ancestors. `mounts` and `target` are data: a driver mounts
 * nothing that stays.
 *
 * **Crashes.** prepare, commit and remove may be called again for the same layer when it is not known whether they were carried out; the second call
 * must lead to the same end, also from the middle of the first.
 *
 * **Rebase.** A driver that can rebase keeps of each layer only what that layer changed, in a directory that does not depend on its parent; so a layer can be
 * prepared without a parent, written, and get its ancestors at commit. One that cannot is only ever committed with the ancestors it was prepared with.
 *
 * **Worked example**, an image of two layers and a container, with a driver that can rebase:
 *
 *     await driver.probe()
 *     await driver.prepare({ id: '1', kind: 'active', ancestors: [] })      // target: a directory, whiteouts as overlay marks
 *     await driver.prepare({ id: '2', kind: 'active', ancestors: [] })      // both are written at once
 *     await driver.commit({ id: '1', kind: 'active', ancestors: [] }, [])
 *     await driver.commit({ id: '2', kind: 'active', ancestors: ['1'] }, ['etc'])   // it wrote etc/passwd and never said what etc is
 *     await driver.prepare({ id: '3', kind: 'active', ancestors: ['2', '1'] })
 *     driver.mounts({ id: '3', kind: 'active', ancestors: ['2', '1'] })     // what a container is started on
 *     await driver.remove('3')                                              // gone from sight; its space is free after a sweep
 *
 * Every method fails with a Failure, and gives up when the signal says so.
 */
export interface Driver {
  readonly name: string
  readonly rebase: boolean

  /**
   * Find out, by really trying, whether this machine and this user can have such snapshots. Called before the first prepare. Fails with
   * permission_denied, unimplemented or resource_exhausted, and a message that says what is missing.
   */
  probe(options?: Options): Promise<void>

  /** Once probed: what people should know of such snapshots on this machine, in half a sentence. */
  readonly found?: string | undefined

  /**
   * Make what the layer needs. An active one without ancestors is empty, its root is root's and 0755; with ancestors it shows what the nearest does, its root
   * included. Costs no more than the driver must: overlay makes directories, native copies the parent.
   */
  prepare(layer: Layer, options?: Options): Promise<void>

  /**
   * Freeze an active layer. When the ancestors are new to it, the directories `implied` (paths from its root, `.` for the root itself) take owner, mode, times and
   * attributes from the uppermost ancestor that has them; one that no ancestor has stays as it is. Fails with failed_precondition and
   * `{reason: 'implied', path}` when an ancestor has something else there.
   */
  commit(layer: Layer, implied: readonly string[], options?: Options): Promise<void>

  /** How to mount an active layer or a view. */
  mounts(layer: Layer): Mount[]

  /** Where archives are applied to, for an active layer. */
  target(layer: Layer): Target

  /** Of a driver that keeps what each layer changed apart from its ancestors. */
  readonly layers?: Layers | undefined

  /** What the layer takes up itself. Measured anew each time, by looking at every file. */
  usage(layer: Layer, options?: Options): Promise<Usage>

  /** Put what the layer has out of the way, at once; none there is as good. The space is free after a sweep. */
  remove(id: string): Promise<void>

  /** Delete what was removed, in this run or an earlier one. May take long, and leaves the thread free meanwhile. */
  sweep(options?: Options): Promise<void>

  /** Ids that have something on disk. */
  ids(): Promise<string[]>

  /** Resolves once all that was written so far is on disk. */
  sync(): Promise<void>
}

/** What a driver can do that keeps what each layer changed apart from its ancestors. */
export interface Layers {
  /** Where that is, of an active or a committed layer, for reading. */
  target(layer: Pick<Layer, 'id'>): Target

  /**
   * Give a committed layer what the active one `by` holds, all or nothing, also when the machine stops in the middle; completed as by commit. `by` has nothing any more. What the
   * committed layer had stays where mounts find it until the machine starts anew: who has it mounted cannot be told.
   */
  replace(
    layer: Pick<Layer, 'id' | 'ancestors'>,
    init: { readonly by: string; readonly implied: readonly string[] },
    options?: Options,
  ): Promise<void>
}

/** One snapshot as a driver sees it. */
export interface Layer {
  readonly id: string
  readonly kind: 'active' | 'view' | 'committed'
  /** ids, nearest first */
  readonly ancestors: readonly string[]
}

/** Bytes on disk, and files of every kind. */
export interface Usage {
  readonly size: number
  readonly inodes: number
}

export interface Options {
  readonly signal?: AbortSignal | undefined
}
