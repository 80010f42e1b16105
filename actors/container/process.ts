import { posix } from 'node:path'
import type { Process } from '../../messages/container.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { ImageConfig } from './config.ts'

/** What was asked for, to be laid over what the image says. */
export interface Wish {
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd?: string | undefined
  readonly user?: string | undefined
  readonly terminal: boolean
}

/** Where programs are looked for when neither image nor request says. */
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Work out what runs. Arguments take the place of the image's Cmd, its Entrypoint stays; variables are laid over the image's, one by one.
 * Fails with failed_precondition when nothing is left to run, invalid_argument when the wish cannot be carried out anywhere.
 */
export function processOf(config: ImageConfig, wish: Wish, attempted: string): Process {
  demandVariables(wish.env, attempted)
  const texts = [...wish.args, ...wish.env, wish.cwd ?? '', wish.user ?? '']
  if (texts.some((text) => text.includes('\0'))) throw new Failure('invalid_argument', `${attempted}: an argument has a NUL byte`)
  const args = [...config.entrypoint, ...(wish.args.length > 0 ? wish.args : config.cmd)]
  if (args.length === 0) throw new Failure('failed_precondition', `${attempted}: the image has no command, and none was given`)
  return {
    args,
    env: overlay([path], config.env.filter(isVariable), wish.env),
    cwd: absolute(wish.cwd ?? config.cwd ?? '/'),
    user: wish.user ?? config.user ?? '',
    terminal: wish.terminal,
    stopSignal: config.stopSignal ?? 'SIGTERM',
  }
}

/** Later ones win; each name stays where it first was. */
function overlay(...layers: readonly (readonly string[])[]): string[] {
  const variables = new Map<string, string>()
  for (const variable of layers.flat()) variables.set(variable.slice(0, variable.indexOf('=')), variable)
  return [...variables.values()]
}

const isVariable = (text: string): boolean => text.indexOf('=') > 0

function demandVariables(env: readonly string[], attempted: string): void {
  const wrong = env.find((text) => !isVariable(text))
  if (wrong !== undefined) throw new Failure('invalid_argument', `${attempted}: ${JSON.stringify(wrong)} is not NAME=value`)
}

/** A path that is relative is so to the root; one that climbs stays at the root. */
const absolute = (cwd: string): string => posix.resolve('/', cwd)
