import { z } from 'zod'
import { call, event } from './grammar/index.ts'
import { Descriptor, Digest, Filters, Labels, Nothing, Platform, Size, Time, Unheld } from './words/index.ts'

const Name = z.string().min(1).max(1024).meta({ description: 'the full reference' })

/** One descriptor of an image's tree and what became of it. */
export const Part = z.object({
  descriptor: Descriptor,
  state: z.enum(['present', 'skipped', 'absent']).meta({ description: 'skipped: another platform; absent: left out on purpose' }),
})
export type Part = z.output<typeof Part>

/** A name and what it names here. */
export const Image = z.object({
  name: Name,
  target: Descriptor,
  manifest: Descriptor.meta({ description: 'the one for this platform; the target itself unless that is an index' }),
  config: Descriptor,
  platform: Platform,
  size: Size.meta({ description: 'of all that is present' }),
  parts: z.array(Part),
  labels: Labels,
  createdAt: Time,
  updatedAt: Time,
})
export type Image = z.output<typeof Image>

const name = '127.0.0.1:5000/library/redis:latest'
const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${'0'.repeat(64)}`, size: 2 }

/** Names of images. A name is recorded only once everything it names is here. */
export const image = {
  put: call(
    'Record what a name names, replacing what it named; labels it has stay unless set anew. Everything said to be present is looked up first.',
    {
      request: Image.omit({ createdAt: true, updatedAt: true, size: true }),
      reply: Image,
      failures: ['failed_precondition'],
      example: {
        name,
        target: descriptor,
        manifest: descriptor,
        config: descriptor,
        platform: { os: 'linux', architecture: 'amd64' },
        parts: [],
        labels: {},
      },
    },
  ),
  get: call('What a name names here.', { request: z.object({ name: Name }), reply: Image, failures: ['not_found'], example: { name } }),
  list: call('Every image, by name; from one on, at most two hundred at a time. A filter asks of name, digest or labels.NAME.', {
    request: z.object({ after: Name.optional(), filters: Filters.optional() }),
    reply: z.object({ images: z.array(Image.omit({ parts: true })), more: z.boolean() }),
    example: {},
  }),
  label: call('Set labels, or take one away by setting it to the empty string.', {
    request: z.object({ name: Name, labels: Labels }),
    reply: Image,
    failures: ['not_found'],
    example: { name, labels: { 'example.org/owner': 'me' } },
  }),
  remove: call('Forget a name. What it named is collected some time later, unless something else holds it.', {
    request: z.object({ name: Name, unheld: Unheld }),
    reply: Nothing,
    failures: ['not_found', 'failed_precondition'],
    example: { name },
  }),
  check: call('Whether everything a name names is still here.', {
    request: z.object({ name: Name }),
    reply: z.object({ complete: z.boolean(), missing: z.array(Descriptor) }),
    failures: ['not_found'],
    example: { name },
  }),
  created: event('A name was recorded.', z.object({ name: Name, digest: Digest }), { entity: 'name' }),
  updated: event('A name names something else, or has other labels.', z.object({ name: Name, digest: Digest, previous: Digest }), {
    entity: 'name',
  }),
  removed: event('A name was forgotten.', z.object({ name: Name, digest: Digest }), { entity: 'name' }),
} as const
