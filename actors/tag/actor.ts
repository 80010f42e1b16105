import { agreed } from '../../messages/agreed.ts'
import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import { blobSubject, Failure, type Handlers } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { holders } from '../../messages/swarm.ts'
import { tag } from '../../messages/tag.ts'
import { digestToken, formatReference, parseReference } from '../../messages/words/index.ts'
import { type Bucket, openBucket } from '../../runtime/bus/bucket.ts'
import { client } from '../../runtime/bus/client.ts'
import { askRoom } from '../../runtime/bus/room.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { type Asked, agreeOn, type Entry } from './agree.ts'
import { freshnessOf } from './freshness.ts'
import { type HeldComponents, heldAs } from './held.ts'
import { shareName, unshareName } from './share.ts'

/** ms a registry has: it may ask for patience, and is given it */
const registryMs = 110_000

/** What names stand for, known to the whole cluster. Without JetStream every node asks for itself, and no name is shared. */
export async function startTag(home: Home): Promise<AsyncDisposable> {
  const { node, bus, log, tables, outbox, settings } = home
  const fetching = client<typeof fetch>(bus, { node, actor: 'fetch' })
  const images = client<typeof image>(bus, { node, actor: 'image' })
  const buckets = opened<{ names: Bucket<Entry>; asked: Bucket<Asked> }>(async () => {
    const names = await openBucket<Entry>(bus, agreed.tags)
    const asked = await openBucket<Asked>(bus, agreed.asked)
    return names && asked && { names, asked }
  })
  bus.onStatus((status) => status === 'connected' && buckets.forget())
  const components = {
    node,
    now: Date.now,
    async tell(fact: 'moved' | 'shared' | 'unshared', data: { name: string } & Record<string, unknown>) {
      await tables.transaction(() => outbox.put({ actor: 'tag', fact, entity: data.name, data }))
    },
  }
  const held: HeldComponents = {
    ...components,
    info: (other, ...asked) => client<typeof content>(bus, { node: other, actor: 'content' }).info(...asked),
    holders: (digest, options) => askRoom<typeof holders>(bus, { node, asked: blobSubject(bus.root, digestToken(digest)) }, options),
  }
  const demand = async () => {
    const open = await buckets.get()
    if (!open) throw new Failure('unimplemented', 'share names: this NATS system has no JetStream')
    return open
  }

  const handlers: Handlers<typeof tag> = {
    async resolve({ reference, ...asked }, { signal, trace }) {
      const parsed = parseReference(reference)
      const wanted = freshnessOf(asked, settings)
      const name = formatReference(parsed)
      const known =
        parsed.digest !== undefined && !wanted.requireUpstream ? await heldAs(held, { name, digest: parsed.digest }, { signal }) : undefined
      if (known) return { ...known, ageMs: 0, stale: false }
      const ask = () => fetching.resolve({ reference }, { signal, trace, timeoutMs: registryMs }).then((resolved) => resolved)
      // Without its tag: a digest stands for the same for ever.
      const open = parsed.digest === undefined ? await buckets.get().catch(() => undefined) : undefined
      return await agreeOn({ ...components, ...open, ask, log }, { name, digest: parsed.digest, wanted }, { signal })
    },
    async share({ name }, { signal }) {
      const { names } = await demand()
      const full = formatReference(parseReference(name))
      const { target } = await images.get({ name: full }, { signal })
      return await shareName({ ...components, names }, { name: full, descriptor: target })
    },
    async unshare({ name }) {
      const { names } = await demand()
      await unshareName({ ...components, names }, formatReference(parseReference(name)))
      return {}
    },
    async list(_, { signal }) {
      const { names } = await demand()
      const all: Entry[] = []
      for await (const { value } of names.all({ signal })) if (value) all.push(value)
      return { names: all.toSorted((one, other) => one.name.localeCompare(other.name)) }
    },
  }
  return await serve(bus, { node, actor: 'tag', protocol: tag, log, handlers })
}

/** Made when first wanted, and anew when that failed or came to nothing. */
function opened<T>(make: () => Promise<T | undefined>): { get(): Promise<T | undefined>; forget(): void } {
  let made: Promise<T | undefined> | undefined
  return {
    async get() {
      made ??= make()
      const mine = made
      const value = await mine.catch((error: unknown) => {
        if (made === mine) made = undefined
        throw error
      })
      if (value === undefined && made === mine) made = undefined
      return value
    },
    forget: () => void (made = undefined),
  }
}
