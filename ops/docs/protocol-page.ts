/** The page of the protocol: everything that may be said, made from `messages/`. */
import type { z } from 'zod'
import { type Call, type Event, eventSubject, type Feed, failures, subject } from '../../messages/grammar/index.ts'
import { type ActorName, protocols } from '../../messages/index.ts'
import { numbers } from '../../runtime/bus/headers.ts'
import { fieldsOf, wordsOf } from './schema-text.ts'

/** The text of `ops/docs/protocol.md`. */
export function protocolPage(): string {
  const actors = Object.keys(protocols).toSorted() as ActorName[]
  return [intro, failureTable(), ...actors.map(chapter), wordChapter()].join('\n').replaceAll(/\n{3,}/g, '\n\n')
}

const intro = `# The protocol

Made by \`npm run docs\` from \`messages/\`; a test checks that it is current.

\`gantry.<node>.<actor>.<verb>\` asks one node, \`gantry.any.<actor>.<verb>\` any one of them, \`gantry.all.<actor>.<verb>\` every one.
\`gantry.event.<node>.<actor>.<fact>\` is where a fact is told. \`gantry\` is the root unless configured otherwise; the examples ask the node \`n1\`.

**Encodings.** A request is JSON, and so is its answer; an empty one is \`{}\`. With the header \`Content-Type: application/msgpack\` both are msgpack:
plain maps, no extensions. Bytes are base64 in JSON.

**Calls** have one reply. **Feeds** have many; an empty message ends them, and a failure comes just before it. **Events** are told to whoever listens, in an
envelope of CloudEvents fields (\`id\`, \`source\` the node, \`type\` \`<actor>.<fact>\`, \`subject\` what it is about, \`time\`, \`traceparent\`, \`data\`);
those that are stored are kept in the stream \`GANTRY_EVENTS\`.

**Headers** of a request, all optional: \`traceparent\` (W3C), carried on to whatever it causes and into the log; \`Gantry-Timeout\`, ms the caller waits;
\`Gantry-Call\`, an id of the caller's choice under which it may publish \`{"call":"<id>"}\` to \`gantry.all.bus.cancel\` to give up. For feeds also
\`Gantry-Heartbeat\`, ms of silence after which to send an empty message with that header as a sign of life, the caller answering as often; and \`Gantry-Window\`, items that may be
on their way before the caller has said that it took some: both by \`{"call":"<id>","items":<n>}\` to \`gantry.<node>.bus.pace\`. A reply has
\`Gantry-Node\`, the node that gives it.

**Discovery.** Every actor answers \`nats micro ls\`, \`info\` and \`stats\`, with the JSON Schemas of what it takes and gives.

## Failures

In the headers \`Nats-Service-Error\` (the message) and \`Nats-Service-Error-Code\` (the number), and in the body \`{"error":{"code","message","details"}}\`.
Any verb may fail with invalid_argument, cancelled, deadline_exceeded, unavailable and internal; the others are declared.
`

function failureTable(): string {
  const rows = Object.entries(failures).map(
    ([code, { retry, exit, meaning }]) =>
      `| ${code} | ${numbers[code as keyof typeof failures]} | ${exit} | ${retry ? 'yes' : ''} | ${meaning} |`,
  )
  return table('code | number | exit code | worth trying again | meaning', rows)
}

function chapter(actor: ActorName): string {
  const words: [string, Call | Feed | Event][] = Object.entries(protocols[actor])
  const asked = words.flatMap(([verb, word]) => (word.kind === 'event' ? [] : [verbSection(actor, verb, word)]))
  const told = words.flatMap(([fact, word]) => (word.kind === 'event' ? [eventRow(actor, fact, word)] : []))
  const events = told.length === 0 ? [] : ['### Events', '', table('subject | meaning | about | stored | data', told), '']
  return [`## ${actor}`, '', ...asked, ...events].join('\n')
}

function verbSection(actor: string, verb: string, word: Call | Feed): string {
  const answer = word.kind === 'call' ? word.reply : word.item
  const declared = word.failures.length === 0 ? [] : [`Fails with ${[...word.failures].toSorted().join(', ')}.`, '']
  return [
    `### ${actor}.${verb}${word.kind === 'feed' ? ' (feed)' : ''}`,
    '',
    word.doc,
    '',
    fieldTable('asked with', word.request, 'input'),
    fieldTable(word.kind === 'call' ? 'answers' : 'each item', answer, 'output'),
    ...declared,
    '```sh',
    command(subject('gantry', 'n1', actor, verb), word),
    '```',
    '',
  ].join('\n')
}

function fieldTable(title: string, schema: z.ZodType, io: 'input' | 'output'): string {
  const fields = fieldsOf(schema, io)
  if (fields.length === 0) return `*${title}* nothing\n`
  const rows = fields.map(({ name, type, note }) => `| ${name && `\`${name}\``} | ${cell(type)} | ${note.replaceAll('|', '\\|')} |`)
  return `${table(`${title} | |`, rows)}\n`
}

/** Ready to paste. The words of a shell: a single quote cannot stand in single quotes. */
function command(at: string, word: Call | Feed): string {
  const body = JSON.stringify(word.example).replaceAll("'", `'\\''`)
  return `nats req ${word.kind === 'feed' ? '--wait-for-empty --timeout 10m ' : ''}${at} '${body}'`
}

function eventRow(actor: string, fact: string, word: Event): string {
  const data = fieldsOf(word.data, 'output').map(({ name, type }) => `\`${name}\` ${cell(type)}`)
  return `| \`${eventSubject('gantry', '<node>', actor, fact)}\` | ${word.doc} | ${word.entity} | ${word.durable ? 'yes' : ''} | ${data.join(', ')} |`
}

function wordChapter(): string {
  const words = wordsOf(Object.values(protocols).flatMap((protocol) => Object.values<Call | Feed | Event>(protocol)))
  const rows = words.map(({ name, type, note }) => `| ${name} | ${cell(type)} | ${note.replaceAll('|', '\\|')} |`)
  return ['## Words', '', table('word | |', rows), ''].join('\n')
}

const table = (head: string, rows: readonly string[]): string => {
  const columns = head.split('|').length
  return [`| ${head} |`, `|${' --- |'.repeat(columns)}`, ...rows, ''].join('\n')
}

const cell = (type: string): string => `\`${type.replaceAll('|', '\\|')}\``
