import { mountDataMax } from './syscalls/index.ts'

/** A path as it stands in `lowerdir`. */
export const asLayer = (path: string): string => path.replace(/[\\:]/g, '\\$&')

/** The options of an overlay as they are meant: what it shows, topmost first, where it is written, and the rest as it is. */
export interface OverlayData {
  readonly layers: readonly string[]
  /** `upperdir` and `workdir` */
  readonly places: readonly (readonly [name: string, path: string])[]
  readonly rest: readonly string[]
}

export function overlayData(options: readonly string[]): OverlayData {
  const named = options.map((option) => [option.split('=', 1)[0] ?? '', option] as const)
  const value = (option: string) => option.slice(option.indexOf('=') + 1)
  return {
    layers: named.flatMap(([name, option]) => (name === 'lowerdir' ? layersIn(value(option)) : [])),
    places: named.filter(([name]) => isPlace(name)).map(([name, option]) => [name, value(option)]),
    rest: named.filter(([name]) => name !== 'lowerdir' && !isPlace(name)).map(([, option]) => option),
  }
}

/** Whether mount(2) takes these as they are: they fit a page, and no path has a character in it that means something there. */
export const isPlain = (options: readonly string[]): boolean =>
  Buffer.byteLength(options.join(',')) <= mountDataMax && !options.some((option) => /[,\\]/.test(option))

const isPlace = (name: string): boolean => name === 'upperdir' || name === 'workdir'

/** The paths in `lowerdir`: colons part them, a backslash takes the meaning from what follows it. */
function layersIn(lowerdir: string): string[] {
  const paths = ['']
  for (const [piece] of lowerdir.matchAll(/\\.|[^\\]/gs)) {
    if (piece === ':') paths.push('')
    else paths.push(`${paths.pop()}${piece.startsWith('\\') ? piece.slice(1) : piece}`)
  }
  return paths
}
