import { type Command, Option } from 'commander'
import { complain } from '../command/complain.ts'
import { addNodeOptions, configOf } from './node-options.ts'

/** `gantry up`: a node in the foreground, until SIGINT or SIGTERM. */
export function up(command: Command): void {
  addNodeOptions(command)
  // the node of a command ends with it: whatever becomes of the command, the pipe closes
  command.addOption(new Option('--until-eof').hideHelp())
  command.action(async ({ untilEof }: { untilEof?: boolean }) => {
    const config = await configOf(command)
    const { up: runNode } = await import('../node/main.ts')
    const stop = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort())
    if (untilEof) process.stdin.on('end', () => stop.abort()).resume()
    stop.signal.addEventListener('abort', giveUpLater)
    try {
      await runNode(config, { signal: stop.signal, onReady: (line) => process.stdout.write(`gantry: ${line}\n`) })
    } catch (error) {
      process.exitCode = complain('gantry', error)
    }
    // what an actor failed to end must not keep the node
    process.exit()
  })
}

const stopMs = 20_000

function giveUpLater(): void {
  const late = () => {
    process.stderr.write(`gantry: stopping took longer than ${stopMs / 1000} s, ending as it is\n`)
    process.exit(1)
  }
  setTimeout(late, stopMs).unref()
}
