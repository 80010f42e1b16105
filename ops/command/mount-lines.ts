/** How a snapshot is mounted, as words for a shell. */
import { Failure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { asLayer, type OverlayData, overlayData } from '../../runtime/overlay-data.ts'

/** Most bytes of options that mount(2) takes. */
const page = 4095
/** Longest value that mount(8) hands over by fsconfig(2); a longer one needs mount(2). */
const longestValue = 255

/**
 * The command lines of mount(8) that mount these, one each: pasted into a shell they do it. Without a target they end where it is to be written. Fails with unimplemented
 * when so many layers cannot be told mount(8).
 */
export const mountLines = (mounts: readonly Mount[], target?: string): string[] =>
  mounts.map((mount) => [...wordsOf(mount), ...(target === undefined ? [] : [target])].map(quoted).join(' '))

function wordsOf({ type, source, options }: Mount): string[] {
  // what is bound has no type
  if (options.some((option) => option === 'bind' || option === 'rbind')) return ['mount', ...optionWords(options), source]
  if (type !== 'overlay') return ['mount', '-t', type, ...optionWords(options), source]
  const { said, from } = sayOverlay(overlayData(options))
  const how = [
    ...(from === undefined ? [] : ['-C', from]),
    ...(said.some((option) => option.length > longestValue) ? ['LIBMOUNT_FORCE_MOUNT2=always'] : []),
  ]
  return [...(how.length > 0 ? ['env', ...how] : []), 'mount', '-t', type, ...optionWords(said), source]
}

const optionWords = (options: readonly string[]): string[] => (options.length > 0 ? ['-o', options.join(',')] : [])

/** The options of an overlay; those that are too long otherwise as they are said from the directory all of it lies in. */
function sayOverlay(data: OverlayData): { said: string[]; from?: string } {
  const whole = saidFrom('', data)
  if (fits(whole)) return { said: whole }
  const from = directoryOf([...data.layers, ...data.places.map(([, path]) => path)])
  const said = saidFrom(from, data)
  if (fits(said)) return { said, from }
  const count = data.layers.length
  throw new Failure('unimplemented', `mount overlay by mount(8): its ${count} layers are more than a page of options has room for`)
}

const fits = (options: readonly string[]): boolean => Buffer.byteLength(options.join(',')) <= page

/** Commas part options once more in the kernel; in `lowerdir` colons part paths, too. */
function saidFrom(directory: string, { layers, places, rest }: OverlayData): string[] {
  const short = (path: string) => path.slice(directory.length)
  return [
    ...rest,
    ...(layers.length > 0 ? [`lowerdir=${layers.map((path) => asLayer(short(path)).replaceAll(',', '\\,')).join(':')}`] : []),
    ...places.map(([name, path]) => `${name}=${short(path).replace(/[\\,]/g, '\\$&')}`),
  ]
}

/** The nearest directory that all of them lie in, with the slash at its end. */
function directoryOf(paths: readonly string[]): string {
  const [first = ''] = paths
  let end = first.lastIndexOf('/')
  while (end > 0 && !paths.every((path) => path.startsWith(first.slice(0, end + 1)))) end = first.lastIndexOf('/', end - 1)
  return first.slice(0, end + 1)
}

/** A word as a shell has to be told it. */
const quoted = (word: string): string => (/^[A-Za-z0-9_/:=.,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
