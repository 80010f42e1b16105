import type { Command } from 'commander'
import type { container } from '../../messages/container.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { pull } from '../../messages/pull.ts'
import { addCompression, type CompressionOptions } from '../command/compression.ts'
import { type EpochOptions, epochHelp, epochOf } from '../command/epoch.ts'
import { print, size } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'
import { painter } from '../screen/painter.ts'
import { changesOf } from './changes.ts'

interface CommitOptions extends CompressionOptions, EpochOptions {
  readonly author?: string
  readonly message?: string
  readonly change?: string[]
  readonly lease?: string
  readonly unpack: boolean
}

type Containers = Client<typeof container>
type Item = Containers extends { commit(...given: never[]): AsyncIterable<infer T> } ? T : never
type Made = Extract<Item, { target: unknown }>

/**
 * `ctr commit ID NAME`: make an image of a container, which may be running: the image it was made from, and what it changed as one layer more. Prints the digest of its manifest. The image is unpacked too, so
 * that it can be run at once.
 */
export function commit(command: Command): void {
  addCompression(command.argument('<id>', 'of a container').argument('<name>', 'for the image; one that has it already is moved'))
    .option('-a, --author <name>', 'who made it')
    .option('-m, --message <text>', 'for the history of the image')
    .option(
      '-c, --change <instruction>',
      'to its config, as in a Dockerfile: CMD, ENTRYPOINT, ENV, LABEL, USER, WORKDIR; may be repeated',
      also,
    )
    .option('--epoch <time>', epochHelp)
    .option('--lease <id>', 'holds what is made')
    .option('--no-unpack', 'make no snapshot of it')
    .action(
      asking<CommitOptions>(async (session, { args: [id = '', name = ''], options }) => {
        const { author, message: comment, change = [], lease, compression } = options
        const said = {
          ...(author !== undefined && { author }),
          ...(comment !== undefined && { comment }),
          ...(lease !== undefined && { lease }),
        }
        const made = await commitOf(session, { id, name, compression, ...said, ...changesOf(change), ...epochOf(options, process.env) })
        if (options.unpack) await unpack(session, made, await driverOf(session, id))
        print([session.listing.json ? JSON.stringify(made) : made.target.digest])
      }),
    )
}

const also = (word: string, before: readonly string[] = []): string[] => [...before, word]

async function commitOf(session: Session, request: Parameters<Containers['commit']>[0]): Promise<Made> {
  using screen = session.listing.terminal && !session.listing.json ? painter(process.stdout) : undefined
  let made: Made | undefined
  for await (const item of session.ask<typeof container>('container').commit(request)) {
    if ('target' in item) made = item
    else screen?.paint(() => [`layer of ${request.id}: ${item.entries} entries, ${size(item.written)}, ${size(item.offset)} packed`])
  }
  if (made === undefined) throw new Failure('data_loss', `commit ${request.id}: nothing was said of the image`)
  return made
}

const driverOf = async ({ ask }: Session, id: string): Promise<string> => (await ask<typeof container>('container').get({ id })).driver

/** The layers below are there already: only the new one is applied. */
async function unpack({ ask }: Session, { name }: Made, driver: string): Promise<void> {
  const puller = ask<typeof pull>('pull')
  const { ticket } = await puller.unpack({ name, driver })
  for await (const _ of puller.follow({ ticket }));
}
