/**
 * What the `nats` command line does with the words our pages give it, over the plain text protocol: `req`, `sub`, `pub` and `micro`. It ends when that
 * would, prints what that would print on standard output, and knows no option that is not on a page.
 */
import type { Heard, Message, TextClient } from './text-client.ts'

/** What a command line came to: what arrived, in order, and what it prints. */
export interface Outcome {
  readonly messages: readonly Message[]
  readonly printed: string
}

/** Carry out the words after `nats`; `input` is what stands on standard input. */
export async function natsCommand(
  client: TextClient,
  words: readonly string[],
  input: () => Promise<string> = async () => '',
): Promise<Outcome> {
  const [command = '', ...rest] = words
  const line = parse(rest)
  if (command === 'req') return await request(client, line, input)
  if (command === 'sub') return await subscribe(client, line)
  if (command === 'pub') return await publish(client, line)
  if (command === 'micro') return await micro(client, line)
  throw new Error(`nats ${command}: no page says so`)
}

interface Line {
  readonly given: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  has(flag: string): boolean
  text(flag: string): string | undefined
  number(flag: string, otherwise: number): number
  /** ms */
  duration(flag: string, otherwise: string): number
}

const switches = ['--raw', '--wait-for-empty', '--no-templates']
const valued = ['--replies', '--reply-timeout', '--timeout', '--count', '--stream', '--since']

function parse(words: readonly string[]): Line {
  const given: string[] = []
  const flags = new Map<string, string>()
  const headers: Record<string, string> = {}
  for (let at = 0; at < words.length; at++) {
    const [flag = '', value] = words[at]?.startsWith('--') ? (words[at] ?? '').split('=', 2) : [words[at]]
    if (switches.includes(flag)) flags.set(flag, '')
    else if (valued.includes(flag)) flags.set(flag, value ?? words[++at] ?? '')
    else if (flag === '-H') {
      const [name = '', ...text] = (words[++at] ?? '').split(':')
      headers[name] = text.join(':').trim()
    } else if (flag.startsWith('-')) throw new Error(`nats: no page says ${flag}`)
    else given.push(flag)
  }
  return {
    given,
    headers,
    has: (flag) => flags.has(flag),
    text: (flag) => flags.get(flag),
    number: (flag, otherwise) => Number(flags.get(flag) ?? otherwise),
    duration: (flag, otherwise) => milliseconds(flags.get(flag) ?? otherwise),
  }
}

function milliseconds(text: string): number {
  const [, count, unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  return Number(count) * ({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN)
}

/** One reply, so many, all until an empty one, or (0) all until the time is over; of several it waits for the next as long as it took for the others on average, and a little. */
async function request(client: TextClient, line: Line, input: () => Promise<string>): Promise<Outcome> {
  const [subject = '', body] = line.given
  const payload = body ?? (await input())
  if (!line.has('--no-templates') && payload.includes('{{'))
    throw new Error(`nats req ${subject}: {{ in the body would be taken for a template`)
  const inbox = client.inbox()
  const heard = client.listen(inbox)
  const began = performance.now()
  client.send(subject, payload, { reply: inbox, headers: line.headers })
  const replies = line.has('--wait-for-empty') ? 32_767 : line.number('--replies', 1)
  const whole = line.duration('--timeout', '5s')
  const between = line.duration('--reply-timeout', '300ms')
  const messages: Message[] = []
  let [patience, sum] = [whole, 0]
  for (;;) {
    const message = await heard.next(patience)
    if (!message || (message.status === 503 && message.payload.length === 0)) break
    messages.push(message)
    if (replies > 0 && (messages.length === replies || message.payload.length === 0)) break
    sum += performance.now() - began
    patience = replies === 0 ? whole - (performance.now() - began) : sum / messages.length + between
  }
  heard.stop()
  return { messages, printed: messages.map((one) => shown(one, line)).join('') }
}

/** What is told from now on, or what a stream has kept, and then what is told. */
async function subscribe(client: TextClient, line: Line): Promise<Outcome> {
  const [subject = ''] = line.given
  const stream = line.text('--stream')
  const heard = stream
    ? await recall(client, { subject, stream, since: Date.now() - line.duration('--since', '0s') })
    : client.listen(subject)
  const messages: Message[] = []
  for (let count = line.number('--count', Number.POSITIVE_INFINITY); count > 0; count--) {
    const message = await heard.next(2 ** 31 - 1)
    if (message) messages.push(message)
  }
  heard.stop()
  return { messages, printed: messages.map((one) => shown(one, line)).join('') }
}

async function recall(client: TextClient, { subject, stream, since }: { subject: string; stream: string; since: number }): Promise<Heard> {
  const inbox = client.inbox()
  const heard = client.listen(inbox)
  const config = { deliver_subject: inbox, deliver_policy: 'by_start_time', opt_start_time: new Date(since).toISOString() }
  const asked = { stream_name: stream, config: { ...config, ack_policy: 'none', filter_subject: subject } }
  const { messages } = await request(client, parse([`$JS.API.CONSUMER.CREATE.${stream}`, JSON.stringify(asked)]), async () => '')
  const { error } = JSON.parse(messages[0]?.payload.toString() ?? '{}') as { error?: { description: string } }
  if (error) throw new Error(`nats sub ${subject}: ${error.description}`)
  return heard
}

async function publish(client: TextClient, line: Line): Promise<Outcome> {
  const [subject = '', body = ''] = line.given
  client.send(subject, body, { headers: line.headers })
  await client.flush()
  return { messages: [], printed: '' }
}

/** `ls`, `info NAME`, `stats NAME`: what is answered, a line of JSON each, which is all that matters here. */
async function micro(client: TextClient, line: Line): Promise<Outcome> {
  const [what = '', name] = line.given
  const word = { ls: 'PING', info: 'INFO', stats: 'STATS' }[what]
  if (!word) throw new Error(`nats micro ${what}: no page says so`)
  const inbox = client.inbox()
  const heard = client.listen(inbox)
  client.send(`$SRV.${word}${name ? `.${name}` : ''}`, '', { reply: inbox })
  const messages: Message[] = []
  for (let message = await heard.next(2_000); message; message = await heard.next(500)) messages.push(message)
  heard.stop()
  return { messages, printed: messages.map(({ payload }) => `${payload}\n`).join('') }
}

/** With `--raw` the body alone; else the headers before it. Nothing at all is `nil body`. */
function shown({ headers, payload }: Message, line: Line): string {
  const body = payload.length === 0 ? 'nil body' : payload.toString()
  const above = line.has('--raw') ? [] : [...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '']
  return [...above, body, '', ''].join('\n')
}
