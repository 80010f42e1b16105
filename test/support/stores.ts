import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { content } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { client } from '../../runtime/bus/client.ts'
import { startStore } from './content.ts'
import { startNats } from './nats.ts'
import { tempDirectory } from './temp.ts'

/** A content store as it is asked. */
export interface Asked {
  readonly ingest: Client<typeof ingest>
  readonly content: Client<typeof content>
}

/** Two stores on one root: ours, and one in another process. */
export interface TwoStores extends AsyncDisposable {
  readonly root: string
  readonly here: Asked
  readonly there: Asked & { readonly pid: number; kill(): Promise<void> }
}

export async function startTwoStores(): Promise<TwoStores> {
  await using stack = new AsyncDisposableStack()
  const root = stack.use(await tempDirectory()).path
  const nats = stack.use(await startNats())
  const here = stack.use(await startStore({ root, bus: await nats.connect() }))
  const child = spawn(process.execPath, [fileURLToPath(new URL('./store-process.ts', import.meta.url)), root, 'n2', nats.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stack.defer(() => end(child))
  await once(child.stdout, 'data')
  const bus = await nats.connect()
  const there = {
    ingest: client<typeof ingest>(bus, { node: 'n2', actor: 'ingest' }),
    content: client<typeof content>(bus, { node: 'n2', actor: 'content' }),
    pid: child.pid ?? 0,
    kill: () => end(child),
  }
  const scope = stack.move()
  return { root, here, there, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

async function end(child: ChildProcess): Promise<void> {
  const over = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
  child.kill('SIGKILL')
  await over
}
