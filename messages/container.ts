import { z } from 'zod'
import { call, event, feed } from './grammar/index.ts'
import { Compression } from './unpack.ts'
import { Descriptor, Digest, Id, Labels, Lease, Nothing, Size, Time } from './words/index.ts'

/** What runs in a container: the image's config with the request laid over it. */
export const Process = z.object({
  args: z.array(z.string()).min(1),
  env: z.array(z.string()),
  cwd: z.string(),
  user: z.string().meta({ description: 'as the image has it: name or uid, with :group or :gid; looked up in the image when it runs' }),
  terminal: z.boolean(),
  stopSignal: z.string(),
})
export type Process = z.output<typeof Process>

/** A container: what would run, on which snapshot. Whether it runs is the task's business (exec). */
export const Container = z.object({
  id: Id,
  image: z.string(),
  digest: Digest.meta({ description: 'of the manifest the container was made from' }),
  driver: z.string(),
  key: z.string().meta({ description: 'of its active snapshot' }),
  process: Process,
  readonly: z.boolean(),
  labels: Labels,
  createdAt: Time,
})
export type Container = z.output<typeof Container>

/** Containers: an image, a writable snapshot of it, and what is to run there. */
export const container = {
  create: call('Make a container of an image that is here: prepare its snapshot, work out its process.', {
    request: z.object({
      id: Id,
      image: z.string(),
      args: z.array(z.string()).default([]).meta({ description: 'replaces the Cmd of the image; its Entrypoint stays' }),
      env: z.array(z.string()).default([]).meta({ description: 'NAME=value, over the image’s' }),
      cwd: z.string().optional(),
      user: z.string().optional(),
      terminal: z.boolean().default(false),
      readonly: z.boolean().default(false),
      labels: Labels.default({}),
      driver: z.string().optional(),
    }),
    reply: Container,
    failures: [
      'already_exists',
      'not_found',
      'failed_precondition',
      'resource_exhausted',
      'permission_denied',
      'unimplemented',
      'data_loss',
    ],
    example: { id: 'r1', image: '127.0.0.1:5000/library/redis:latest' },
  }),
  get: call('One container.', { request: z.object({ id: Id }), reply: Container, failures: ['not_found'], example: { id: 'r1' } }),
  list: call('Every container.', { request: Nothing, reply: z.object({ containers: z.array(Container) }), example: {} }),
  label: call('Set labels, or take one away by setting it to the empty string.', {
    request: z.object({ id: Id, labels: Labels }),
    reply: Container,
    failures: ['not_found'],
    example: { id: 'r1', labels: { 'example.org/owner': 'me' } },
  }),
  remove: call('Remove a container that has no task, and its snapshot.', {
    request: z.object({ id: Id }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition'],
    example: { id: 'r1' },
  }),
  commit: feed(
    'Make an image of a container: the one it was made from, and what it changed as one layer more. A running task is not stopped. The last item is the image; those before say how far its layer is.',
    {
      request: z.object({
        id: Id,
        name: z.string().min(1).meta({ description: 'for the image; one that has it already is moved' }),
        author: z.string().optional(),
        comment: z.string().optional().meta({ description: 'for the history of the image' }),
        compression: Compression.default('gzip'),
        epoch: Time.optional().meta({ description: 'of reproducible builds: nothing in the image is told younger' }),
        config: z
          .object({
            Entrypoint: z.array(z.string()),
            Cmd: z.array(z.string()),
            Env: z.array(z.string()).meta({ description: 'NAME=value, laid over the image’s' }),
            WorkingDir: z.string(),
            User: z.string(),
            Labels,
          })
          .partial()
          .optional()
          .meta({ description: 'what of the image’s config is to be another' }),
        lease: Lease.optional(),
      }),
      item: z.union([
        z.object({ name: z.string(), target: Descriptor, layer: Descriptor }),
        z.object({ offset: Size, written: Size, entries: z.int().min(0) }),
      ]),
      failures: ['not_found', 'failed_precondition', 'data_loss', 'resource_exhausted', 'permission_denied', 'unimplemented'],
      example: { id: 'r1', name: 'mine:latest' },
    },
  ),
  created: event('A container is there.', z.object({ id: Id, image: z.string() }), { entity: 'id' }),
  updated: event('Its labels changed.', z.object({ id: Id }), { entity: 'id' }),
  removed: event('A container is gone.', z.object({ id: Id }), { entity: 'id' }),
} as const
