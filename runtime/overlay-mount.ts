import { readSync } from 'node:fs'
import { Failure } from '../messages/grammar/index.ts'
import { errnoOf } from './errno.ts'
import { asLayer, type OverlayData, overlayData } from './overlay-data.ts'
import {
  close,
  fsconfig,
  fsconfigMax,
  fsmount,
  fsopen,
  MOUNT_ATTR,
  MS,
  mount,
  mountDataMax,
  moveMount,
  O,
  openat,
} from './syscalls/index.ts'

export interface OverlayInit {
  readonly source: string
  readonly options: readonly string[]
  /** those of mount(2) */
  readonly flags: number
}

/**
 * Mount an overlay whose options mount(2) does not take: it cuts them after a page without a word, and a hundred layers are more than that. Each layer is an
 * option of its own here, up to the 500 the kernel lays over each other. Before Linux 6.7 there is no such option: then directories are opened, and
 * named by their descriptors, which is enough for about 240 layers.
 */
export function mountOverlay({ source, options, flags }: OverlayInit, at: string): void {
  const data = overlayData(options)
  using opened = new DisposableStack()
  const openDirectory = (path: string) => `/proc/self/fd/${opened.adopt(openat(-100, path, O.PATH | O.DIRECTORY), close)}`
  if (mountByOption({ data, source, flags, openDirectory }, at)) return
  const text = dataByDescriptor(data, openDirectory)
  if (Buffer.byteLength(text) > mountDataMax)
    throw new Failure(
      'unimplemented',
      `mount overlay at ${at}: before Linux 6.7 its ${data.layers.length} layers are too many for one mount`,
    )
  mount(source, at, 'overlay', flags, text)
}

interface Overlay {
  readonly data: OverlayData
  readonly source: string
  readonly flags: number
  /** a short name for as long as the mount is being made */
  readonly openDirectory: (path: string) => string
}

/** Mount with one option a layer; false, with nothing done, where the kernel has no such option. */
function mountByOption({ data, source, flags, openDirectory }: Overlay, at: string): boolean {
  using opened = new DisposableStack()
  const short = (path: string) => (Buffer.byteLength(path) <= fsconfigMax ? path : openDirectory(path))
  const context = begun(opened)
  if (context === undefined) return false
  try {
    const [topmost = '', ...further] = data.layers.map(short)
    if (!takesLayer(context, topmost)) return false
    for (const layer of further) fsconfig(context, 'lowerdir+', layer)
    // In these, unlike in a layer, a backslash takes the meaning from what follows it.
    for (const [name, path] of data.places) fsconfig(context, name, path.includes('\\') ? openDirectory(path) : short(path))
    for (const option of data.rest) fsconfig(context, ...nameAndValue(option))
    fsconfig(context, 'source', source)
    for (const name of ['ro', 'sync'] as const) if (flags & flagOf[name]) fsconfig(context, name)
    const mounted = opened.adopt(fsmount(context, attributesOf(flags)), close)
    moveMount(mounted, at)
    return true
  } catch (error) {
    throw inItsWords(error, context)
  }
}

function begun(opened: DisposableStack): number | undefined {
  try {
    return opened.adopt(fsopen('overlay'), close)
  } catch (error) {
    // An older kernel, or a filter of system calls that does not know these.
    if (errnoOf(error) === 'ENOSYS' || errnoOf(error) === 'EPERM') return undefined
    throw error
  }
}

function takesLayer(context: number, layer: string): boolean {
  try {
    fsconfig(context, 'lowerdir+', layer)
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error
    return false
  }
}

const dataByDescriptor = ({ layers, places, rest }: OverlayData, openDirectory: (path: string) => string): string =>
  [
    ...rest,
    `lowerdir=${layers.map((layer) => asLayer(openDirectory(layer))).join(':')}`,
    ...places.map(([name, path]) => `${name}=${openDirectory(path)}`),
  ].join(',')

function nameAndValue(option: string): [string, string?] {
  const at = option.indexOf('=')
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]
}

const flagOf = { ro: MS.RDONLY, sync: MS.SYNCHRONOUS }

const attributesOf = (flags: number): number =>
  (['RDONLY', 'NOSUID', 'NODEV', 'NOEXEC', 'NOATIME', 'NODIRATIME'] as const)
    .filter((name) => flags & MS[name])
    .reduce((attributes, name) => attributes | MOUNT_ATTR[name], 0)

/** An error with what the kernel wrote about it, instead of the general words for its number. */
function inItsWords(error: unknown, context: number): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  const room = Buffer.alloc(1024)
  let words: string | undefined
  try {
    // One line a read: a letter for how bad it is, and the words.
    for (;;) words = room.subarray(2, readSync(context, room)).toString().trim()
  } catch {
    // no more of them
  }
  if (words === undefined) return error
  return Object.assign(new Error(`${errno}: ${words.replace(/^overlay: /, '').replaceAll(', ', '; ')}`, { cause: error }), { code: errno })
}
