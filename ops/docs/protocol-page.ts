/** The page of the protocol: everything that may be said, made from `messages/`. */
import type { z } from 'zod'
import {
  blobSubject,
  type Call,
  type Code,
  type Event,
  eventSubject,
  type Feed,
  failures,
  subject,
  undeclared,
} from '../../messages/grammar/index.ts'
import { type ActorName, protocols } from '../../messages/index.ts'
import { Gained, holders } from '../../messages/swarm.ts'
import { digestToken } from '../../messages/words/index.ts'
import { numbers } from '../../runtime/bus/headers.ts'
import { fieldsOf, wordsOf } from './schema-text.ts'

/** The text of `ops/docs/protocol.md`. */
export function protocolPage(): string {
  const actors = Object.keys(protocols).toSorted() as ActorName[]
  return [intro, failureTable(), ...actors.map(chapter), blobChapter(), wordChapter()].join('\n').replaceAll(/\n{3,}/g, '\n\n')
}

const intro = `# The protocol

Made by \`npm run docs\` from \`messages/\`; a test checks that it is current, another runs every example on a node. [By hand](by-hand.md) puts some of them together.

\`gantry.<node>.<actor>.<verb>\` asks one node, \`gantry.any.<actor>.<verb>\` any one of them, \`gantry.all.<actor>.<verb>\` every one.
\`gantry.event.<node>.<actor>.<fact>\` is where a fact is told. \`gantry\` is the root unless configured otherwise; the examples ask the node \`n1\`.

**Encodings.** A request is JSON, and so is its answer; an empty one is \`{}\`. With the header \`Content-Type: application/msgpack\` both are msgpack:
plain maps, no extensions. Bytes are base64 in JSON.

**Calls** have one reply. **Feeds** have many; an empty message ends them, and a failure comes just before it. **Events** are told to whoever listens, in an
envelope of CloudEvents fields (\`id\`, \`source\` the node, \`type\` \`<actor>.<fact>\`, \`subject\` what it is about, \`time\`, \`traceparent\`, \`data\`);
those that are stored are kept in the stream \`GANTRY_EVENTS\`, whose server, before its version 2.10, is asked for one of them at a time.

**Headers** of a request, all optional: \`traceparent\` (W3C), carried on to whatever it causes and into the log; \`Gantry-Timeout\`, ms the caller waits;
\`Gantry-Call\`, an id of the caller's choice under which it may publish \`{"call":"<id>"}\` to \`gantry.all.bus.cancel\` to give up. For feeds also
\`Gantry-Heartbeat\`, ms of silence after which to send an empty message with that header as a sign of life, the caller answering as often; and \`Gantry-Window\`, items that may be
on their way before the caller has said that it took some: both by \`{"call":"<id>","items":<n>}\` to \`gantry.<node>.bus.pace\`. A reply has
\`Gantry-Node\`, the node that gives it.

**Discovery.** Every actor answers the services protocol of NATS, with its verbs and the JSON Schemas of what they take and give.

## By hand

Everything below is for the \`nats\` command line, whose ways are worth knowing:

- It ends with exit code 0 whatever it is answered: a failure is in the headers and under \`error\` in the body, and nothing else says so.
- It waits 5 s. Calls answer long before that, those that begin something long with a ticket to follow; feeds are given more by \`--timeout\`, until their first item, and by
  \`--reply-timeout\`, between two. \`--wait-for-empty\` is there since its version 0.4; one before that has only \`--replies 0 --timeout 10m\`, and is stopped by hand.
- \`--raw\` prints bodies only, for \`jq\`; the empty message that ends a feed is printed as \`nil body\`.
- What is in double braces it takes for a template, unless \`--no-templates\` is given; examples that need it have it.
- Without a body on the command line it sends what is on its standard input. That is the way for bytes, for which a command line is too short:
  \`base64 -w0 FILE | jq -Rc '{digest: "sha256:…", bytes: .}' | nats req gantry.n1.ingest.put\`. To bytes it goes \`jq -r .bytes | base64 -d\`.
- A caller that goes away leaves a feed running until its next word: say \`gantry.all.bus.cancel\`, as below, where that matters.

\`\`\`sh
nats micro ls
nats micro info gantry-image
nats micro stats gantry-image
nats req --replies 0 --timeout 1s gantry.all.node.info '{}'
nats req gantry.any.image.list ''
nats req --wait-for-empty --reply-timeout 10m --timeout 10m -H Gantry-Call:mine gantry.n1.gc.plan '{}'
nats pub gantry.all.bus.cancel '{"call":"mine"}'
nats sub 'gantry.event.>'
nats sub --stream GANTRY_EVENTS --since 1h 'gantry.event.*.image.created'
\`\`\`

## Failures

In the headers \`Nats-Service-Error\` (the message) and \`Nats-Service-Error-Code\` (the number), and in the body \`{"error":{"code","message","details"}}\`.
Any verb may fail with ${undeclared.join(', ')}; the others are declared.
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
  const told = words.flatMap(([fact, word]): [string, Event][] => (word.kind === 'event' ? [[fact, word]] : []))
  return [`## ${actor}`, '', ...asked, ...(told.length === 0 ? [] : eventSection(actor, told))].join('\n')
}

function verbSection(actor: string, verb: string, word: Call | Feed): string {
  const answer = word.kind === 'call' ? word.reply : word.item
  return [
    `### ${actor}.${verb}${word.kind === 'feed' ? ' (feed)' : ''}`,
    '',
    word.doc,
    '',
    fieldTable('asked with', word.request, 'input'),
    fieldTable(word.kind === 'call' ? 'answers' : 'each item', answer, 'output'),
    ...declared(word.failures),
    ...shell(command(subject('gantry', 'n1', actor, verb), word)),
  ].join('\n')
}

function fieldTable(title: string, schema: z.ZodType, io: 'input' | 'output'): string {
  const fields = fieldsOf(schema, io)
  if (fields.length === 0) return `*${title}* nothing\n`
  const rows = fields.map(({ name, type, note }) => `| ${name && `\`${name}\``} | ${cell(type)} | ${note.replaceAll('|', '\\|')} |`)
  return `${table(`${title} | |`, rows)}\n`
}

/** What a verb may fail with, and what that means. */
function declared(codes: readonly Code[]): string[] {
  if (codes.length === 0) return []
  const rows = [...codes].toSorted().map((code) => `| \`${code}\` | ${failures[code].meaning} |`)
  return [table('fails with | ', rows)]
}

/** Ready to paste. The words of a shell: a single quote cannot stand in single quotes. What looks like a template must not be taken for one. */
function command(at: string, word: Call | Feed): string {
  const body = JSON.stringify(word.example).replaceAll("'", `'\\''`)
  const plain = body.includes('{{') ? '--no-templates ' : ''
  return `nats req ${word.kind === 'feed' ? '--wait-for-empty --reply-timeout 10m --timeout 10m ' : ''}${plain}${at} '${body}'`
}

const shell = (...lines: readonly string[]): string[] => ['```sh', ...lines, '```', '']

function eventSection(actor: string, told: readonly [string, Event][]): string[] {
  const rows = told.map(([fact, word]) => eventRow(actor, fact, word))
  const listening = told.map(([fact]) => `nats sub '${eventSubject('gantry', '*', actor, fact)}'`)
  return ['### Events', '', table('subject | meaning | about | stored | data', rows), ...shell(...listening)]
}

function eventRow(actor: string, fact: string, word: Event): string {
  const data = fieldsOf(word.data, 'output').map(({ name, type }) => `\`${name}\` ${cell(type)}`)
  return `| \`${eventSubject('gantry', '<node>', actor, fact)}\` | ${word.doc} | ${word.entity} | ${word.durable ? 'yes' : ''} | ${data.join(', ')} |`
}

/** The subjects of blobs, which are neither of a node nor of an actor. */
function blobChapter(): string {
  const token = digestToken(`sha256:${'0'.repeat(64)}`)
  return [
    '## Subjects of blobs',
    '',
    'Who has a blob, or some of it, listens on a subject of the blob, its digest with `-` for `:`. Asked there, each of them answers; when nobody has it, the server says at once that nobody listens.',
    '',
    `### ${blobSubject('gantry', '<token>')}`,
    '',
    holders.doc,
    '',
    fieldTable('asked with', holders.request, 'input'),
    fieldTable('answers', holders.reply, 'output'),
    ...declared(holders.failures),
    ...shell(`nats req --replies 0 --timeout 1s ${blobSubject('gantry', token)} '{}'`),
    `### ${blobSubject('gantry', '<token>', 'gained')}`,
    '',
    'Told there by each who shares the blob, and nowhere kept: that it is there, or leaves, and each piece it gains, with what that hashes to.',
    '',
    fieldTable('told', Gained, 'output'),
    ...shell(`nats sub '${blobSubject('gantry', '*', 'gained')}'`),
  ].join('\n')
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
