/** What one layer may cost at most. */
export interface Limits {
  /** entries in the archive */
  readonly entries: number
  /** directories that are known at once: those with entries, and those on the way to them */
  readonly directories: number
  /** directories below one another, after links are followed */
  readonly depth: number
  /** bytes of a path */
  readonly path: number
  /** bytes of one name in a path */
  readonly name: number
  /** bytes of the uncompressed stream */
  readonly inflated: number
  /** uncompressed bytes for each compressed one, once there are more than `ratioFrom` of them */
  readonly ratio: number
  readonly ratioFrom: number
  /** bytes of one extended header or long name */
  readonly extended: number
}

export const defaultLimits: Limits = {
  entries: 4_000_000,
  directories: 1_000_000,
  depth: 1024,
  path: 4096,
  name: 255,
  inflated: 2 ** 40,
  ratio: 400,
  ratioFrom: 2 ** 30,
  extended: 2 ** 20,
}
