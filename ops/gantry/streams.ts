import { type Command, InvalidArgumentError } from 'commander'
import { Failure } from '../../messages/grammar/index.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `gantry streams`: the stream of events and the buckets the nodes agree in, for systems where nodes may not make them; to be asked for again after an upgrade. */
export function streams(command: Command): void {
  command.option('--replicas <count>', 'servers that keep each: 3 where the cluster has three; as it is if left out', servers).action(
    asking<{ replicas?: number }>(async ({ bus }, { options: { replicas } }) => {
      const [{ keepEvents }, { openBucket }, { protocols }, { agreed }] = await Promise.all([
        import('../../runtime/bus/stream.ts'),
        import('../../runtime/bus/bucket.ts'),
        import('../../messages/index.ts'),
        import('../../messages/agreed.ts'),
      ])
      if (!(await keepEvents(bus, { protocols, replicas })))
        throw new Failure('unimplemented', 'make streams: this NATS system has no JetStream')
      // Nodes cannot make them anew, should the server start again: they are kept on disk.
      for (const bucket of Object.values(agreed)) await openBucket(bus, { ...bucket, kept: true, replicas })
      const made = Object.values(agreed).map(({ name }) => name)
      print([
        `events and ${made.join(', ')} are kept${replicas === undefined ? '' : `, on ${replicas} server${replicas === 1 ? '' : 's'} each`}`,
      ])
    }),
  )
}

function servers(text: string): number {
  if (!['1', '3', '5'].includes(text)) throw new InvalidArgumentError('1, 3 or 5 servers may keep a thing.')
  return Number(text)
}
