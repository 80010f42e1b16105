/** `nats` for a shell that has none: see nats-command.ts. The server is found where that looks for it, in NATS_URL, NATS_USER and NATS_PASSWORD. */
import { text } from 'node:stream/consumers'
import { natsCommand } from './nats-command.ts'
import { textClient } from './text-client.ts'

const { NATS_URL: url = 'nats://127.0.0.1:4222', NATS_USER: user, NATS_PASSWORD: password } = process.env
await using client = await textClient({ url, user, password })
const { printed } = await natsCommand(client, process.argv.slice(2), () => text(process.stdin))
process.stdout.write(printed)
