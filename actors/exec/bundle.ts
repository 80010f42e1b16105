import { join } from 'node:path'

/** Where everything of one task lies. */
export interface Bundle {
  readonly directory: string
  /** what the container sees as its root: mounted here */
  readonly rootfs: string
  /** the runtime spec */
  readonly config: string
  /** what the container sees as /etc/hosts */
  readonly hosts: string
  /** every byte the container wrote, framed by its monitor */
  readonly log: string
  /** what the runtime says of its failures */
  readonly runtimeLog: string
  /** what the monitor says of its own */
  readonly monitorLog: string
  /** fifo that tells the terminal its size */
  readonly control: string
  /** in the directory of all exits: the exit code, once there is one */
  readonly exit: string
}

/** The directories of all tasks of a node. */
export interface Places {
  readonly bundles: string
  readonly exits: string
  /** the runtime's own state */
  readonly runtime: string
}

/** Where tasks lie below a node's root (design §7). */
export const placesOf = (root: string): Places => ({
  bundles: join(root, 'containers'),
  exits: join(root, 'exits'),
  runtime: join(root, 'runtime'),
})

/** Where the task of a container lies. `id` is an Id, so it is one plain path component. */
export function bundleOf(places: Places, id: string): Bundle {
  const directory = join(places.bundles, id)
  const at = (name: string) => join(directory, name)
  return {
    directory,
    rootfs: at('rootfs'),
    config: at('config.json'),
    hosts: at('hosts'),
    log: at('log'),
    runtimeLog: at('runtime.log'),
    monitorLog: at('monitor.log'),
    control: at('ctl'),
    exit: join(places.exits, id),
  }
}
