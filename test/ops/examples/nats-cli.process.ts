/** Stands in for the nats CLI, which Debian does not ship: the commands and flags the example uses, with what the CLI documents of them, and no others. */
import { parseArgs } from 'node:util'
import { connectionOf, connectNats } from '../../../runtime/bus/nats.ts'

const { NATS_URL: url = '', NATS_USER: user, NATS_PASSWORD: password } = process.env
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    timeout: { type: 'string', default: '5s' },
    pull: { type: 'boolean' },
    deliver: { type: 'string' },
    ack: { type: 'string' },
    filter: { type: 'string' },
    defaults: { type: 'boolean' },
    raw: { type: 'boolean' },
  },
})
const [noun, verb = '', stream = '', consumer = ''] = positionals
const timeout = Number.parseInt(values.timeout, 10) * (values.timeout.endsWith('m') ? 60_000 : 1_000)
await using bus = await connectNats({ url, user, password })

const verbs: Record<string, () => Promise<void>> = {
  info: async () => answered(await ask('INFO', {})),
  async add() {
    if (!values.pull || !values.defaults) throw new Error('it would ask questions')
    const { deliver, ack, filter } = values
    const config = { durable_name: consumer, deliver_policy: deliver, ack_policy: ack, filter_subject: filter }
    answered(await ask('DURABLE.CREATE', { stream_name: stream, config }))
  },
  /** Prints the message, having acknowledged it. */
  async next() {
    const message = await ask('MSG.NEXT', { batch: 1, expires: timeout * 1_000_000 })
    if (message?.headers?.code) throw new Error(message.headers.description)
    message?.respond('+ACK')
    console.log(message?.string())
  },
}

const ask = (what: string, question: object) =>
  connectionOf(bus)?.request(`$JS.API.CONSUMER.${what}.${stream}.${consumer}`, JSON.stringify(question), {
    timeout: timeout + 1_000,
    // A message of a stream comes under its own subject.
    noMux: true,
  })

function answered(message: Awaited<ReturnType<typeof ask>>): void {
  const { error } = JSON.parse(message?.string() ?? '{}') as { error?: { description: string } }
  if (error) throw new Error(error.description)
}

const work = noun === 'consumer' ? verbs[verb] : undefined
if (!work) throw new Error(`no such command: ${positionals.join(' ')}`)
await work()
