import { once } from 'node:events'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { destination } from '../command/destination.ts'

/**
 * Ask a node as somebody would who has no more than a socket: the plain text protocol of NATS, JSON in it, no library. Each question is a verb
 * (`image.list`) and its JSON; the answer is lines to show, the command line for it first.
 */
export async function askByHand(root: string, ...questions: readonly (readonly [verb: string, json: string])[]): Promise<string[]> {
  const { nats, node, subjects } = await destination({ root }, {})
  const { hostname, port } = new URL(nats.url)
  const socket = createConnection(Number(port), hostname)
  const lines = createInterface(socket)[Symbol.asyncIterator]()
  const send = (text: string) => socket.write(`${text}\r\n`)
  try {
    await once(socket, 'connect')
    await lines.next()
    send(`CONNECT ${JSON.stringify({ user: nats.user, pass: nats.password, verbose: false, headers: true })}`)
    send('SUB _INBOX.demo 1')
    const shown: string[] = []
    for (const [verb, json] of questions) {
      const subject = `${subjects}.${node}.${verb}`
      send(`PUB ${subject} _INBOX.demo ${Buffer.byteLength(json)}\r\n${json}`)
      shown.push(`$ nats req ${subject} '${json}'`, shorten(await answer(lines, send)))
    }
    return shown
  } finally {
    socket.destroy()
  }
}

/** The payload of the next message: the line that begins with a brace; PING is answered on the way. */
async function answer(lines: AsyncIterator<string>, send: (text: string) => void): Promise<string> {
  for (;;) {
    const { value, done } = await lines.next()
    if (done) throw new Error('ask by hand: the server closed the connection')
    if (value === 'PING') send('PONG')
    else if (value.startsWith('-ERR')) throw new Error(`ask by hand: ${value}`)
    else if (value.startsWith('{')) return value
  }
}

const shorten = (text: string): string => (text.length > 600 ? `${text.slice(0, 600)} …` : text)
