/**
 * What every command is made of: a program has verbs, a verb lies in a file of its own that is loaded only when it is asked for,
 * and whatever fails ends as one line on standard error and an exit code.
 */
import { Command, CommanderError } from 'commander'
import { complain } from './complain.ts'
import { addGlobals } from './globals.ts'

/** One verb: what the list says of it, and how to get it. Loading it gives what adds arguments, options and action to a command. */
interface Verb {
  readonly summary: string
  readonly load: () => Promise<(command: Command) => void>
  /** other names it goes by */
  readonly aliases?: readonly string[]
}

/** Verbs, or nouns with verbs of their own. */
export type Verbs = { readonly [name: string]: Verb | { readonly summary: string; readonly verbs: Verbs } }

/** Run a program to its end; the exit code is left in the process. */
export async function run(name: string, summary: string, verbs: Verbs): Promise<void> {
  const program = plain(new Command(name)).description(summary)
  addGlobals(program)
  addVerbs(program, verbs)
  try {
    await program.parseAsync()
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? usage(name, error) : complain(name, error)
  }
}

function addVerbs(parent: Command, verbs: Verbs): void {
  for (const [name, verb] of Object.entries(verbs)) {
    const command = plain(parent.command(name)).summary(verb.summary).description(verb.summary)
    if ('verbs' in verb) addVerbs(command, verb.verbs)
    else addLazily(command, verb)
  }
}

/** Whatever follows the verb is left alone until the verb is loaded and can read it. */
function addLazily(command: Command, verb: Verb): void {
  command
    .aliases([...(verb.aliases ?? [])])
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[words...]')
    .usage('[options]')
    .action(async (words: string[]) => {
      const loaded = plain(new Command(command.name())).description(verb.summary)
      addGlobals(loaded)
      const define = await verb.load()
      define(loaded)
      // its usage line and its options want to know whom it is of
      loaded.parent = command.parent
      await loaded.parseAsync(words, { from: 'user' })
    })
}

/** Commander reports by throwing; we say it. Options of a command stand before or after its verb's name. */
const plain = (command: Command): Command =>
  command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .enablePositionalOptions()
    .helpCommand(false)

function usage(name: string, error: CommanderError): number {
  if (error.exitCode === 0) return 0
  // no verb given: what was printed is the help
  if (error.code === 'commander.help') return 2
  process.stderr.write(`${name}: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')}; see ${name} --help\n`)
  return 2
}
