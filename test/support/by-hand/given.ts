/** What somebody who tries an example puts in the place of its names, and does beforehand, so that it can succeed. */
import { appendFile } from 'node:fs/promises'
import type { Protocols } from '../../../messages/index.ts'
import { chainIds, type Descriptor } from '../../../messages/words/index.ts'
import { digestOf, type Image } from '../../../ops/lab/images.ts'

/** Ask a verb, and have the last thing it answers. */
export type Ask = (verb: string, request: object) => Promise<Record<string, unknown>>

/** What there is to try the examples on. */
export interface Ground {
  readonly ask: Ask
  /** an image that is here, of two layers: one that can run, and a small one */
  readonly here: { readonly reference: string; readonly image: Image }
  /** one that only its registry has, of one small layer */
  readonly away: { readonly reference: string; readonly image: Image }
  /** one whose registry does not send its layer */
  readonly slow: { readonly reference: string }
  /** an empty directory for each who asks */
  directory(): Promise<string>
}

/** The request to make of an example, and what somebody else does while it is answered. */
export interface Given {
  readonly request: object
  readonly meanwhile?: () => Promise<unknown>
}

type Words = Readonly<Record<string, string>>
type Way = (example: object, ground: Ground) => Promise<Given | object>

/** Verbs for which it is not enough to put the names of what is there in the place of those of the example. */
type Verbs = { [A in keyof Protocols]: { [V in keyof Protocols[A] & string]: `${A}.${V}` }[keyof Protocols[A] & string] }[keyof Protocols]

let count = 0
const fresh = (word = 'own'): string => `${word}-${++count}`

const zeros = `sha256:${'0'.repeat(64)}`
const example = { reference: '127.0.0.1:5000/library/redis:latest', token: 'a-token-of-ingest-open', ticket: 'a-ticket-of-pull-start' }
const lentPath = '/var/lib/gantry/content/ingest/0a/data'

/** An example with real names in it. */
export async function givenFor(verb: string, written: object, ground: Ground): Promise<Given> {
  const way = ways[verb as Verbs]
  const given = way ? await way(written, ground) : written
  return isGiven(given) ? { ...given, request: named(given.request, ground) } : { request: named(given, ground) }
}

const isGiven = (given: Given | object): given is Given => 'request' in given

/** Text in the place of text, wherever it stands. */
const swap = (value: object, words: Words): object =>
  JSON.parse(JSON.stringify(value), (_, one) => (typeof one === 'string' ? (words[one] ?? one) : one)) as object

/** The image that is here in the place of the one of the examples: its name, its parts. */
function named(request: object, { here }: Ground): object {
  const layer = here.image.layers[1]?.descriptor as Descriptor
  const real = (value: unknown): unknown => {
    if (value === example.reference) return here.reference
    if (value === zeros) return layer.digest
    if (Array.isArray(value)) return value.map(real)
    if (typeof value !== 'object' || value === null) return value
    const { mediaType, digest } = value as Partial<Descriptor>
    if (mediaType && digest === zeros) return mediaType.includes('manifest') ? here.image.manifest.descriptor : layer
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, real(field)]))
  }
  return real(request) as object
}

/** With the chainId of the image for every digest. */
const ofSnapshots: Way = async (written, { here }) =>
  swap(written, { [zeros]: chainIds(here.image.layers.map(({ diffId }) => diffId)).at(-1) ?? '' })

const ofContainer =
  (make: Partial<{ args: string[]; terminal: boolean; stdin: boolean; asked: readonly string[] }> = {}): Way =>
  async (written, { ask, here }) => {
    const { args = ['sleep', '1000'], terminal = false, stdin = false, asked = [] } = make
    const id = fresh('box')
    await ask('container.create', { id, image: here.reference, args, terminal })
    for (const verb of asked) await ask(`exec.${verb}`, { id, ...(verb === 'create' && { stdin }) })
    return swap(written, { r1: id })
  }

const running = ['create', 'start']

/** With an ingest that is open, so many bytes in it. */
const ofIngest =
  (bytes = ''): Way =>
  async (written, { ask }) => {
    const reference = fresh('blob')
    const { token, path } = await ask('ingest.open', { reference })
    await appendFile(String(path), bytes)
    return swap(written, { [example.token]: String(token), [lentPath]: String(path), [zeros]: reference })
  }

const ofLease: Way = async (written, { ask }) => {
  const { id } = await ask('lease.create', {})
  return swap(written, { mine: String(id) })
}

/** With a snapshot that can be written, empty or on top of the image. */
const ofActive =
  ({ empty = false } = {}): Way =>
  async (written, ground) => {
    const key = fresh('key')
    await ground.ask('snapshot.prepare', empty ? { key } : await ofSnapshots({ key, parent: zeros }, ground))
    return swap(written, { mine: key })
  }

/** With a directory, the layer in it if that is wanted. */
const ofDirectory =
  ({ applied = false } = {}): Way =>
  async (written, ground) => {
    const request = named(swap(written, { '/tmp/layer': await ground.directory() }), ground)
    if (applied) await ground.ask('unpack.apply', request)
    return request
  }

const ofPull =
  (reference: (ground: Ground) => string): Way =>
  async (written, ground) => {
    const { ticket } = await ground.ask('pull.start', { reference: reference(ground) })
    return swap(written, { [example.ticket]: String(ticket) })
  }

/** With a name of the image, which is written short where that will do. */
const ofName: Way = async (written, { ask, here }) => {
  const name = `${fresh('mine')}:latest`
  await ask('image.put', { ...(await ask('image.get', { name: here.reference })), name: `docker.io/library/${name}` })
  return swap(written, { 'mine:latest': name, [example.reference]: `docker.io/library/${name}` })
}

const ways: Partial<Record<Verbs, Way>> = {
  'container.create': async (written) => swap(written, { r1: fresh('box') }),
  'container.get': ofContainer(),
  'container.label': ofContainer(),
  'container.remove': ofContainer(),
  'container.commit': ofContainer(),
  async 'content.remove'(written, { ask }) {
    const bytes = Buffer.from(fresh('bytes'))
    const { digest } = await ask('ingest.put', { digest: digestOf(bytes), bytes: bytes.toString('base64') })
    return swap(written, { [zeros]: String(digest) })
  },
  'exec.create': ofContainer(),
  'exec.start': ofContainer({ asked: ['create'] }),
  'exec.kill': ofContainer({ asked: running }),
  'exec.pause': ofContainer({ asked: running }),
  'exec.resume': ofContainer({ asked: [...running, 'pause'] }),
  'exec.state': ofContainer({ asked: running }),
  'exec.wait': ofContainer({ args: ['echo', 'hi'], asked: running }),
  'exec.attach': ofContainer({ args: ['echo', 'hi'], asked: running }),
  'exec.resize': ofContainer({ terminal: true, asked: running }),
  'exec.write': ofContainer({ args: ['cat'], stdin: true, asked: running }),
  'exec.remove': ofContainer({ args: ['true'], asked: [...running, 'wait'] }),
  'fetch.blob': (written, ground) => ofIngest()(named(written, ground), ground),
  'image.put': async (written) => swap(written, { [example.reference]: 'other:latest' }),
  'image.remove': ofName,
  'ingest.open': async (written) => swap(written, { [zeros]: digestOf(Buffer.from(fresh('bytes'))) }),
  async 'ingest.put'(written, { ask }) {
    const { digest } = written as { digest: string }
    await ask('content.remove', { digest }).catch(() => {})
    return written
  },
  'ingest.write': ofIngest(),
  'ingest.hold': ofIngest(),
  'ingest.advance': ofIngest('hi'),
  'ingest.truncate': ofIngest('hi'),
  'ingest.commit': (written, ground) => ofIngest(String(++count % 100).padStart(2, '0'))(written, ground),
  'ingest.close': ofIngest(),
  async 'ingest.abort'(written, { ask }) {
    const reference = fresh('blob')
    const { token } = await ask('ingest.open', { reference })
    await ask('ingest.close', { token })
    return swap(written, { [zeros]: reference })
  },
  'ingest.status': ofIngest(),
  async 'ingest.follow'(written, { ask }) {
    const reference = fresh('blob')
    const { token, path } = await ask('ingest.open', { reference })
    await appendFile(String(path), reference)
    return { request: swap(written, { [zeros]: reference }), meanwhile: () => ask('ingest.commit', { token }) }
  },
  'lease.create': async (written) => swap(written, { mine: fresh('lease') }),
  'lease.renew': ofLease,
  'lease.add': ofLease,
  'lease.drop': ofLease,
  'lease.get': ofLease,
  'lease.remove': ofLease,
  'node.drain': async (written, { ask }) => ({ request: written, meanwhile: () => ask('node.drain', { undo: true }) }),
  'pull.follow': ofPull(({ here }) => here.reference),
  'pull.status': ofPull(({ here }) => here.reference),
  'pull.cancel': ofPull(({ slow }) => slow.reference),
  'snapshot.prepare': async (written, ground) => swap(await ofSnapshots(written, ground), { mine: fresh('key') }),
  'snapshot.view': async (written, ground) => swap(await ofSnapshots(written, ground), { look: fresh('key') }),
  'snapshot.commit': async (written, ground) => swap(await ofActive()(written, ground), { [zeros]: fresh('name') }),
  'snapshot.mounts': ofActive(),
  'snapshot.stat': ofSnapshots,
  'snapshot.label': ofSnapshots,
  'snapshot.usage': ofSnapshots,
  'snapshot.layer': ofSnapshots,
  'snapshot.remove': ofActive(),
  async 'snapshot.replace'(written, ground) {
    const [key, name] = [fresh('key'), fresh('name')]
    await ground.ask('snapshot.prepare', { key })
    await ground.ask('snapshot.commit', { key, name })
    return swap(await ofActive({ empty: true })(written, ground), { [zeros]: name })
  },
  async 'swarm.bring'(written, ground) {
    const { reference, image } = ground.away
    return { ...(await ofIngest()(written, ground)), name: reference, descriptor: image.layers[0]?.descriptor }
  },
  'tag.share': ofName,
  async 'tag.unshare'(written, ground) {
    const request = (await ofName(written, ground)) as object
    await ground.ask('tag.share', request)
    return request
  },
  'unpack.apply': ofDirectory(),
  'unpack.check': ofDirectory({ applied: true }),
  'unpack.compare': ofActive(),
}
