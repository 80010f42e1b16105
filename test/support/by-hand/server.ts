import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server } from './text-client.ts'

/** The NATS server a node started, found as a person finds it: `node.json` says where it is and which file has user and password. */
export async function serverOf(root: string): Promise<Server> {
  const { url, credentials } = JSON.parse(await readFile(join(root, 'node.json'), 'utf8')) as { url: string; credentials: string }
  return { url, ...(JSON.parse(await readFile(credentials, 'utf8')) as { user: string; password: string }) }
}
