import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Digest, Id, Labels, Nothing, Time } from './words/index.ts'

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
  created: event('A container is there.', z.object({ id: Id, image: z.string() }), { entity: 'id' }),
  updated: event('Its labels changed.', z.object({ id: Id }), { entity: 'id' }),
  removed: event('A container is gone.', z.object({ id: Id }), { entity: 'id' }),
} as const
