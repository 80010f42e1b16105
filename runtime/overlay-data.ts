import { close, mountDataMax, O, openat } from './syscalls/index.ts'

/** Data of a mount as mount(2) takes it; dispose it once mounted. */
export interface ShortData extends Disposable {
  readonly text: string
}

/**
 * The options of a file system, joined for mount(2), which takes no more than a page of them: a hundred layers of overlay do not fit. Where they do
 * not, or where a path has a character with a meaning in options, overlay's directories are opened, and named by their descriptors.
 *
 * So a mount of any number of layers works on every kernel and from every thread. (The other ways: one option a layer, with fsconfig(2), is for Linux
 * 6.5 and later; short names from a working directory would need a process, which has only one, to itself.)
 */
export function shortened(type: string, options: readonly string[]): ShortData {
  const text = options.join(',')
  const plain = Buffer.byteLength(text) <= mountDataMax && !options.some((option) => /[,\\]/.test(option))
  if (plain || type !== 'overlay') return { text, [Symbol.dispose]() {} }
  return byDescriptor(options)
}

function byDescriptor(options: readonly string[]): ShortData {
  using opened = new DisposableStack()
  const open = (path: string) => `/proc/self/fd/${opened.adopt(openat(-100, path, O.PATH | O.DIRECTORY), close)}`
  const text = options.map((option) => {
    const [name, value] = nameAndValue(option)
    if (name === 'lowerdir') return `lowerdir=${layers(value).map(open).join(':')}`
    return name === 'upperdir' || name === 'workdir' ? `${name}=${open(value)}` : option
  })
  const kept = opened.move()
  return { text: text.join(','), [Symbol.dispose]: () => kept.dispose() }
}

function nameAndValue(option: string): [string, string] {
  const at = option.indexOf('=')
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)]
}

/** The paths in `lowerdir`: colons part them, a backslash takes the meaning from what follows it. */
function layers(lowerdir: string): string[] {
  const paths = ['']
  for (const [piece] of lowerdir.matchAll(/\\.|[^\\]/gs)) {
    if (piece === ':') paths.push('')
    else paths.push(`${paths.pop()}${piece.startsWith('\\') ? piece.slice(1) : piece}`)
  }
  return paths
}

/** A path as it stands in `lowerdir`. */
export const asLayer = (path: string): string => path.replace(/[\\:]/g, '\\$&')
