import type { Mount } from '../../messages/snapshot.ts'

/** A keeper of snapshots that runs. Every call is one question to it, answered. */
export interface SnapshotStore extends AsyncDisposable {
  /** a directory of the file system it works on */
  readonly root: string
  /** what it calls its drivers that work here, by what we call them */
  readonly drivers: ReadonlyMap<string, string>
  prepare(driver: string, key: string, parent?: string): Promise<readonly Mount[]>
  view(driver: string, key: string, parent: string): Promise<readonly Mount[]>
  mounts(driver: string, key: string): Promise<readonly Mount[]>
  commit(driver: string, key: string, name: string): Promise<void>
  remove(driver: string, key: string): Promise<void>
}
