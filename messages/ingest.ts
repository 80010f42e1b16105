import { z } from 'zod'
import { Info } from './content.ts'
import { call, event, feed } from './grammar/index.ts'
import { Bytes, Digest, Filters, Labels, Lease, Nothing, Size, Time, Unheld } from './words/index.ts'

const Reference = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => new TextEncoder().encode(text).length <= 1024, 'a reference is at most 1024 bytes')
  .meta({ description: 'names the transaction; for a blob of an image its digest' })
const Token = z.string().min(1).meta({ description: 'right to write, given by open' })

const process = { pid: z.int().min(1), started: z.string(), boot: z.string() }
const Writer = z.union([z.object(process), z.literal('elsewhere')])
export type Writer = z.output<typeof Writer>

/** Who holds an open ingest: a process of a node, for a writer if one named itself. `pid` and `boot` let another process see that a holder is dead. */
export const Holder = z.object({
  node: z.string(),
  ...process,
  since: Time,
  writer: Writer.optional().meta({ description: 'for whom: another process of the machine, or elsewhere; the node itself if left out' }),
})
export type Holder = z.output<typeof Holder>

/** Where one ingest stands. */
export const Status = z.object({
  reference: Reference,
  state: z
    .enum(['opened', 'receiving', 'closed', 'verifying', 'committed', 'aborted'])
    .meta({ description: 'closed: left unfinished, nobody holds it' }),
  offset: Size,
  total: Size.optional(),
  expected: Digest.optional(),
  startedAt: Time,
  updatedAt: Time,
  holder: Holder.optional(),
  lease: Lease.optional().meta({ description: 'holds it, and will hold the blob' }),
  expiresAt: Time.optional().meta({ description: 'when it may be thrown away: nobody writes it, and no lease holds it' }),
})
export type Status = z.output<typeof Status>

const example = `sha256:${'0'.repeat(64)}`

/**
 * The way into the content store: one transaction a reference, one writer a transaction.
 *
 * `open` lends a file and a token; the writer appends to the file and says `advance` (or, from afar, sends `write`);
 * `commit` checks size and digest of what is on disk and makes it content. `close` gives the file back unfinished, to be
 * opened again at the byte reached; `abort` throws it away.
 *
 * What a dead writer held is closed. A node that dies has it closed by whoever looks next. A writer that is not the node names itself: one of the same machine by its
 * process, whose end the node sees at once; one elsewhere uses its token before `silenceMs` have passed since it last did, and says `hold` when it has nothing else to say.
 *
 * What is opened or put under a `lease` is held by it from that same transaction on, and so is the blob it becomes, or that is content already. Without one an
 * ingest nobody writes, and a blob nothing refers to, may be collected a day later.
 */
export const ingest = {
  put: call('Ingest a small blob whole.', {
    request: z.object({
      reference: Reference.optional(),
      digest: Digest,
      bytes: Bytes,
      labels: Labels.optional(),
      lease: Lease.optional(),
    }),
    reply: Info,
    failures: ['already_exists', 'not_found', 'data_loss', 'resource_exhausted'],
    example: { digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', bytes: '' },
  }),
  open: call(
    'Open, or open again, the transaction of a reference and lend its file. Answers unavailable, with the holder, while another writer has it; failed_precondition, with details {reason: "writer"}, when the node sees no such process.',
    {
      request: z.object({
        reference: Reference,
        expected: Digest.optional(),
        total: Size.optional().meta({ description: 'room for so many bytes is taken on the disk at once' }),
        lease: Lease.optional(),
        token: Token.max(128).optional().meta({
          description: 'one of the writer’s own that nobody can guess; asked again with it, because the answer was lost, it is lent again',
        }),
        writer: Writer.optional().meta({
          description: 'whose death closes it: a process of this machine, which must live, or elsewhere; the node itself if left out',
        }),
      }),
      reply: z.object({
        token: Token,
        path: z.string(),
        offset: Size,
        startedAt: Time,
        silenceMs: z.int().optional().meta({ description: 'a writer elsewhere that is not heard for so long is taken for dead' }),
      }),
      failures: ['already_exists', 'not_found', 'failed_precondition', 'resource_exhausted'],
      example: { reference: example, expected: example, total: 2 },
    },
  ),
  write: call('Append bytes, at most 512 KiB, at exactly the current offset.', {
    request: z.object({ token: Token, offset: Size, bytes: Bytes }),
    reply: z.object({ offset: Size }),
    failures: ['not_found', 'out_of_range', 'resource_exhausted'],
    example: { token: 'a-token-of-ingest-open', offset: 0, bytes: 'aGk=' },
  }),
  hold: call('Say that the writer, elsewhere, still lives.', {
    request: z.object({ token: Token }),
    reply: Nothing,
    failures: ['not_found'],
    example: { token: 'a-token-of-ingest-open' },
  }),
  advance: call('Say how far the lent file is written.', {
    request: z.object({ token: Token, offset: Size }),
    reply: Nothing,
    failures: ['not_found', 'out_of_range'],
    example: { token: 'a-token-of-ingest-open', offset: 2 },
  }),
  truncate: call(
    'Throw away what follows an offset, and go on from there. Who follows the ingest is told that what was read counts for nothing.',
    {
      request: z.object({ token: Token, offset: Size.default(0) }),
      reply: z.object({ offset: Size }),
      failures: ['not_found', 'out_of_range'],
      example: { token: 'a-token-of-ingest-open', offset: 0 },
    },
  ),
  commit: call(
    'Check what is on disk and make it content. Gives the lock back in every case. A wrong size or digest is failed_precondition, with details {reason: "size" or "digest"}, and keeps the bytes: open, then truncate or go on.',
    {
      request: z.object({
        token: Token,
        size: Size.optional(),
        digest: Digest.optional(),
        labels: Labels.optional(),
        replace: z.literal(true).optional().meta({
          description:
            'what is content under this digest gets these bytes, because its own are damaged; its labels, and what holds it, stay',
        }),
      }),
      reply: Info,
      failures: ['not_found', 'already_exists', 'failed_precondition', 'data_loss', 'resource_exhausted'],
      example: { token: 'a-token-of-ingest-open', size: 2 },
    },
  ),
  close: call('Give the file back unfinished; the bytes stay, to be gone on with.', {
    request: z.object({ token: Token }),
    reply: Nothing,
    failures: ['not_found'],
    example: { token: 'a-token-of-ingest-open' },
  }),
  abort: call('Throw a transaction away. Refused while another holds it, unless the token is given.', {
    request: z.object({ reference: Reference, token: Token.optional(), unheld: Unheld }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition'],
    example: { reference: example },
  }),
  status: call('Where one transaction stands.', {
    request: z.object({ reference: Reference }),
    reply: Status,
    failures: ['not_found'],
    example: { reference: example },
  }),
  list: call('Every transaction that is open or was left unfinished. A filter asks of reference, state, offset, total or expected.', {
    request: z.object({ filters: Filters.optional() }),
    reply: z.object({ ingests: z.array(Status) }),
    example: {},
  }),
  follow: feed(
    'Watch one transaction grow: where it stands now, then every change, coalesced. Ends when it is committed; fails when it is aborted.',
    {
      request: z.object({ reference: Reference }),
      item: z.object({ state: Status.shape.state, path: z.string(), offset: Size, total: Size.optional() }),
      failures: ['not_found', 'data_loss'],
      example: { reference: example },
    },
  ),
  opened: event(
    'A transaction began, or went on.',
    z.object({ reference: Reference, offset: Size, total: Size.optional(), expected: Digest.optional() }),
    {
      entity: 'reference',
    },
  ),
  advanced: event('More of it is on disk.', z.object({ reference: Reference, offset: Size, total: Size.optional() }), {
    entity: 'reference',
    durable: false,
  }),
  committed: event('It is content now.', z.object({ reference: Reference, digest: Digest, size: Size }), { entity: 'reference' }),
  aborted: event('It was thrown away.', z.object({ reference: Reference, why: z.string() }), { entity: 'reference' }),
} as const
