/** What is answered to somebody who asks by hand: whether it is what was declared. */
import { z } from 'zod'
import { type Call, type Code, type Event, type Feed, failures, undeclared } from '../../../messages/grammar/index.ts'
import { protocols } from '../../../messages/index.ts'
import { holders } from '../../../messages/swarm.ts'
import { schemaOf } from '../../../runtime/bus/discovery.ts'
import { numbers } from '../../../runtime/bus/headers.ts'
import type { Message, TextClient } from './text-client.ts'

/** A verb as it is found by asking around, its reply's JSON Schema read from there. */
export interface Found {
  readonly verb: string
  readonly kind: 'call' | 'feed'
  readonly failures: readonly string[]
  /** JSON Schema of what it takes */
  readonly takes: object
  readonly reply: z.ZodType
}

/** All verbs of a node by `actor.verb`, as its actors say who they are; and that of blobs, which no actor has. */
export async function discover(client: TextClient, node: string): Promise<Map<string, Found>> {
  const messages = await asked(client, '$SRV.INFO')
  const found = messages
    .filter(({ metadata }) => metadata.node === node)
    .flatMap(({ name, endpoints }) => endpoints.map((one) => foundOf(name, one)))
  const blob = {
    kind: 'call',
    failures: holders.failures,
    takes: schemaOf(holders.request, 'input'),
    reply: fromSchema(schemaOf(holders.reply, 'output')),
  } as const
  return new Map([...found, { ...blob, verb: 'blob' }].map((one) => [one.verb, one]))
}

/** Of one node or of several, as the services protocol has it. */
export interface Info {
  readonly name: string
  readonly metadata: { readonly node: string }
  readonly endpoints: readonly { name: string; metadata: Record<'kind' | 'failures' | 'request' | 'reply', string> }[]
}

/** Every answer to a question to all actors. */
export async function asked(client: TextClient, subject: string): Promise<Info[]> {
  const inbox = client.inbox()
  const heard = client.listen(inbox)
  client.send(subject, '', { reply: inbox })
  const messages: Message[] = []
  for (let message = await heard.next(5_000); message; message = await heard.next(300)) messages.push(message)
  heard.stop()
  return messages.map(({ payload }) => JSON.parse(payload.toString()) as Info)
}

/** What is wrong with the messages a request got; nothing when they are what the verb declares. */
export function complaints(found: Found, messages: readonly Message[]): string[] {
  if (messages.length === 0) return [`${found.verb} answered nothing`]
  const last = messages.at(-1)
  if (found.kind === 'call' && messages.length > 1) return [`${found.verb} answered ${messages.length} times`]
  const ended = found.kind === 'feed' && last?.payload.length === 0
  const said = ended ? messages.slice(0, -1) : messages
  return said.flatMap((one) => (failed(one) ? badFailure(found, one) : badReply(found, one)))
}

/** The code of the failure among messages, if there is one. */
export const codeOf = (messages: readonly Message[]): Code | undefined => {
  const one = messages.find(failed)
  return one && (JSON.parse(one.payload.toString()) as { error: { code: Code } }).error.code
}

const failed = (message: Message): boolean => message.headers['Nats-Service-Error-Code'] !== undefined

function badReply({ verb, reply }: Found, { payload, headers }: Message): string[] {
  if (!headers['Gantry-Node']) return [`${verb} does not say who answers`]
  const { error } = reply.safeParse(JSON.parse(payload.toString()))
  return error ? [`${verb} answered ${payload.subarray(0, 300)}: ${z.prettifyError(error)}`] : []
}

/** The same in the headers and in the body, declared, and no fault of ours. */
function badFailure({ verb, failures: declared }: Found, { payload, headers }: Message): string[] {
  const { error } = JSON.parse(payload.toString()) as { error?: { code?: string; message?: string } }
  const code = error?.code ?? ''
  const about = `${verb} failed with ${payload.subarray(0, 300)}`
  if (!Object.hasOwn(failures, code)) return [`${about}: no such code`]
  if (code === 'internal') return [`${about}: a fault of ours`]
  if (![...declared, ...undeclared].includes(code as Code)) return [`${about}: not declared`]
  if (headers['Nats-Service-Error-Code'] !== String(numbers[code as Code]))
    return [`${about}: the header says ${headers['Nats-Service-Error-Code']}`]
  const [said = '', told = ''] = [error?.message, headers['Nats-Service-Error']].map((text) =>
    (text ?? '')
      .replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .trim()
      .toWellFormed(),
  )
  if (!said || !told || !said.startsWith(told.slice(0, 100))) return [`${about}: the header says ${told}`]
  return []
}

function foundOf(service: string, { name, metadata }: Info['endpoints'][number]): Found {
  return {
    verb: `${service.replace(/^gantry-/, '')}.${name}`,
    kind: metadata.kind as Found['kind'],
    failures: metadata.failures.split(',').filter(Boolean),
    takes: JSON.parse(metadata.request) as object,
    reply: fromSchema(JSON.parse(metadata.reply) as object),
  }
}

/** Whether an event that was told is the envelope it should be, with the data it declares. */
export function badEvent({ subject, payload }: Message): string[] {
  const [, , node, actor = '', fact = ''] = subject.split('.')
  const event = JSON.parse(payload.toString()) as Record<string, unknown>
  const word = (protocols as Record<string, Record<string, Call | Feed | Event>>)[actor]?.[fact]
  if (word?.kind !== 'event') return [`${subject} was told, which nobody declares`]
  if (event['type'] !== `${actor}.${fact}` || event['source'] !== node || typeof event['id'] !== 'string') return [`${subject}: ${payload}`]
  const { error } = fromSchema(schemaOf(word.data, 'output')).safeParse(event['data'])
  return error ? [`${subject} told ${payload}: ${z.prettifyError(error)}`] : []
}

const fromSchema = (schema: object): z.ZodType => z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
