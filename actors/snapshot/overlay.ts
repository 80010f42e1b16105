import { Failure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { asLayer } from '../../runtime/overlay-data.ts'
import { copyAttributes } from './attributes.ts'
import { directories } from './directories.ts'
import type { Driver, Layer, Layers } from './driver.ts'
import { adoptImplied } from './implied.ts'
import { type OverlayFeatures, overlayFeatures } from './overlay-features.ts'
import { measure, nothing } from './usage.ts'

/**
 * Snapshots as directories that overlayfs lays over each other. In `directory`, for each id:
 *
 *     <id>/fs     what the layer has that its ancestors have not; a device 0:0 where it hides something of theirs
 *     <id>/work   room for the kernel, of an active one only
 *
 * A view has no directory: it is its ancestors.
 */
export function overlay(directory: string): Driver {
  const places = directories(directory)
  let features: OverlayFeatures = { options: [], marks: true }

  const lowerdir = (ids: readonly string[]) => `lowerdir=${ids.map((id) => asLayer(places.fs(id))).join(':')}`
  const over = (options: readonly string[]): Mount[] => [{ type: 'overlay', source: 'overlay', options: [...features.options, ...options] }]

  function mounts({ id, kind, ancestors }: Layer): Mount[] {
    const [nearest, ...further] = ancestors
    if (nearest === undefined) return bind(places.fs(id), kind)
    if (kind === 'active') return over([lowerdir(ancestors), `upperdir=${places.fs(id)}`, `workdir=${places.beside(id, 'work')}`])
    return further.length === 0 ? bind(places.fs(nearest), kind) : over([lowerdir(ancestors)])
  }

  const layers: Layers = {
    target: ({ id }) => ({ kind: 'directory', path: places.fs(id), whiteouts: 'overlay' }),
    async replace({ id, ancestors }, { by, implied }, options) {
      options?.signal?.throwIfAborted()
      await places.replace(id, by, () => adoptImplied(implied, { of: places.fs(by), from: ancestors.map(places.fs) }))
    },
  }

  return {
    name: 'overlay',
    get found() {
      return features.marks
        ? 'layers are applied side by side, and containers share what they read'
        : 'layers are applied in order, through mounts'
    },
    // Without marks of our own, deletions are the kernel's to write, through a mount.
    get rebase() {
      return features.marks
    },
    async probe(options) {
      await using scratch = await places.scratch()
      features = await overlayFeatures(scratch.path, options)
    },
    async prepare({ id, kind, ancestors }, options) {
      options?.signal?.throwIfAborted()
      if (ancestors.length > mostLayers)
        throw new Failure('failed_precondition', `prepare snapshot ${id}: of ${ancestors.length} layers, and overlayfs shows ${mostLayers}`)
      if (kind === 'view') return
      await places.make(id, 'work')
      const [nearest] = ancestors
      if (nearest !== undefined) copyAttributes(places.fs(nearest), places.fs(id))
    },
    async commit({ id, ancestors }, implied, options) {
      options?.signal?.throwIfAborted()
      adoptImplied(implied, { of: places.fs(id), from: ancestors.map(places.fs) })
    },
    mounts,
    target(layer) {
      if (layer.ancestors.length > 0 || !features.marks) return { kind: 'mount', mounts: mounts(layer) }
      return { kind: 'directory', path: places.fs(layer.id), whiteouts: 'overlay' }
    },
    get layers() {
      return features.marks ? layers : undefined
    },
    async usage({ id, kind, ancestors }, options) {
      if (kind === 'view') return nothing
      // What the kernel copied up it may have done by sharing.
      return await measure(places.fs(id), { ...options, ground: ancestors.map(places.fs) })
    },
    remove: places.remove,
    sweep: places.sweep,
    ids: places.ids,
    sync: places.sync,
  }
}

/** The kernel lays no more over each other. */
const mostLayers = 500

const bind = (source: string, kind: Layer['kind']): Mount[] => [
  { type: 'bind', source, options: [kind === 'active' ? 'rw' : 'ro', 'rbind'] },
]
