import { once } from 'node:events'

/** Write to a stream of ours, and wait while whoever reads it is slower than we are. */
export async function write(stream: NodeJS.WriteStream, bytes: Uint8Array, { signal }: { signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted()
  if (!stream.write(bytes)) await once(stream, 'drain', { signal })
}
