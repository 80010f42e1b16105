import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createConnection, createServer } from 'node:net'
import { Failure } from '../../messages/grammar/index.ts'
import { retry } from '../../runtime/retry.ts'

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** What redis answers to PING, asked again while it is not up yet. */
export const ping = (port: number): Promise<string> => retry(() => pingOnce(port), { tries: 12, firstMs: 50 })

async function pingOnce(port: number): Promise<string> {
  const socket = createConnection(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().trim().replace(/^\+/, '')
  } catch (error) {
    throw new Failure('unavailable', `ping redis on port ${port}: ${(error as Error).message}`, { cause: error })
  } finally {
    socket.destroy()
  }
}
