/** How a snapshot is mounted, as words for a shell. */
import { Failure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'

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
  const said = type === 'overlay' ? options.map(escaped) : options
  const legacy = said.some((option) => option.length > longestValue) ? ['LIBMOUNT_FORCE_MOUNT2=always'] : []
  if (fits(said)) return [...(legacy.length > 0 ? ['env', ...legacy] : []), 'mount', '-t', type, ...optionWords(said), source]
  const { directory, options: shorter } = relative(said)
  if (!fits(shorter))
    throw new Failure(
      'unimplemented',
      `mount ${type} by mount(8): its ${countOf(said)} layers are more than a page of options has room for`,
    )
  return ['env', '-C', directory, ...legacy, 'mount', '-t', type, ...optionWords(shorter), source]
}

const optionWords = (options: readonly string[]): string[] => (options.length > 0 ? ['-o', options.join(',')] : [])

const fits = (options: readonly string[]): boolean => Buffer.byteLength(options.join(',')) <= page

const countOf = (options: readonly string[]): number => options.find((option) => option.startsWith('lowerdir='))?.split(':').length ?? 0

/** Options of overlay are parted by commas once more by the kernel. In `lowerdir` backslashes mean that already. */
function escaped(option: string): string {
  if (option.startsWith('lowerdir=')) return option.replaceAll(',', '\\,')
  return /^(upperdir|workdir)=/.test(option) ? option.replace(/[\\,]/g, '\\$&') : option
}

/** The directory all those of an overlay lie in, and the options as seen from there. */
function relative(options: readonly string[]): { directory: string; options: readonly string[] } {
  const paths = options.flatMap((option) => {
    const [, value] = /^(?:lowerdir|upperdir|workdir)=(.*)$/s.exec(option) ?? []
    return value === undefined ? [] : value.split(/(?<!\\):/)
  })
  const [first = ''] = paths
  let end = first.lastIndexOf('/')
  while (end > 0 && !paths.every((path) => path.startsWith(first.slice(0, end + 1)))) end = first.lastIndexOf('/', end - 1)
  const prefix = first.slice(0, end + 1)
  return {
    // to a shell it is a path like any other
    directory: prefix.replace(/\\(.)/gs, '$1'),
    options: options.map((option) => option.replaceAll(`=${prefix}`, '=').replaceAll(`:${prefix}`, ':')),
  }
}

/** A word as a shell has to be told it. */
const quoted = (word: string): string => (/^[A-Za-z0-9_/:=.,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
