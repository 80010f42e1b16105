import { expect, test } from 'vitest'
import { startImage } from '../../../actors/image/actor.ts'
import { openImages } from '../../../actors/image/images.ts'
import { content } from '../../../messages/content.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Part, image as protocol } from '../../../messages/image.ts'
import type { Descriptor } from '../../../messages/words/index.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import { serve } from '../../../runtime/bus/serve.ts'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { nameOf, thingTable } from '../../../runtime/keeping/things.ts'
import type { Told } from '../../../runtime/records/outbox.ts'
import { openTables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`
const blob = (n: number, size = n * 10): Descriptor => ({ mediaType: 'application/octet-stream', digest: digest(n), size })
const part = (n: number, state: Part['state'] = 'present'): Part => ({ descriptor: blob(n), state })

/** The example image: manifest 1, config 2, layers 3 and 4. */
const example = (name: string, parts: Part[] = [part(1), part(2), part(3), part(4)]) => ({
  name,
  target: blob(1),
  manifest: blob(1),
  config: blob(2),
  platform: { os: 'linux', architecture: 'amd64' },
  parts,
  labels: {},
})

/** Images over content that has the blobs 1 to 9. */
async function images() {
  const stack = new AsyncDisposableStack()
  const tables = stack.use(await openTables(stack.use(await tempDirectory()).path))
  const told: Told[] = []
  const here = new Map(Array.from({ length: 9 }, (_, n) => [digest(n + 1), (n + 1) * 10]))
  let tick = 0
  const keeping = openKeeping(tables, { now: () => new Date().toISOString() })
  const components = {
    tables,
    keeping,
    outbox: { put: (one: Told) => void told.push(one) },
    now: () => new Date(1000 * ++tick).toISOString(),
    sizeOf: async ({ digest }: Descriptor, { signal }: { signal: AbortSignal }) => {
      signal.throwIfAborted()
      const size = here.get(digest)
      if (size === undefined) throw new Failure('not_found', `look up ${digest}: there is none`)
      return size
    },
  }
  return { images: openImages(components), tables, keeping, told, here, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const asked = { signal: new AbortController().signal }

test('a name is recorded with the size of all that is present, and told', async () => {
  await using it = await images()
  const recorded = await it.images.put(example('a', [part(1), part(2), part(3), part(4), part(77, 'skipped'), part(78, 'absent')]), {
    ...asked,
    trace: 't',
  })
  expect(recorded.size).toBe(10 + 20 + 30 + 40)
  expect(recorded.createdAt).toBe(recorded.updatedAt)
  expect(it.images.get('a')).toEqual(recorded)
  expect(it.told).toEqual([{ actor: 'image', fact: 'created', entity: 'a', data: { name: 'a', digest: digest(1) }, trace: 't' }])
})

test('a name is not recorded while anything said to be present is not here, or of another size', async () => {
  await using it = await images()
  await expect(it.images.put(example('a', [part(3), part(88), part(89)]), asked)).rejects.toMatchObject({
    code: 'failed_precondition',
    details: { missing: [digest(88), digest(89)] },
  })
  await expect(it.images.put(example('a', [{ descriptor: blob(3, 31), state: 'present' }]), asked)).rejects.toMatchObject({
    code: 'failed_precondition',
  })
  it.here.delete(digest(2))
  await expect(it.images.put(example('a', []), asked)).rejects.toMatchObject({ details: { missing: [digest(2)] } })
  expect(it.images.list({})).toEqual({ images: [], more: false })
  expect(it.told).toEqual([])
})

test('when content does not answer nothing is recorded', async () => {
  await using it = await images()
  const down = openImages({
    tables: it.tables,
    outbox: { put: () => {} },
    keeping: it.keeping,
    now: () => '',
    sizeOf: () => Promise.reject(new Failure('unavailable', 'ask content: nobody answers')),
  })
  await expect(down.put(example('a'), asked)).rejects.toMatchObject({ code: 'unavailable' })
  expect(() => it.images.get('a')).toThrow('there is none')
})

test('a name that names something else keeps its labels and its first time, and tells what it named before', async () => {
  await using it = await images()
  const first = await it.images.put({ ...example('a'), labels: { keep: '1', change: '1' } }, asked)
  const second = await it.images.put({ ...example('a'), target: blob(5), labels: { change: '2' } }, asked)
  expect(second).toMatchObject({ createdAt: first.createdAt, labels: { keep: '1', change: '2' }, target: blob(5) })
  expect(second.updatedAt > first.updatedAt).toBe(true)
  expect(it.told.at(-1)).toMatchObject({ fact: 'updated', data: { name: 'a', digest: digest(5), previous: digest(1) } })
})

test('recording the same again changes and tells nothing', async () => {
  await using it = await images()
  const first = await it.images.put(example('a'), asked)
  expect(await it.images.put(example('a'), asked)).toEqual(first)
  expect(it.told).toHaveLength(1)
})

test('labels are set, and taken away by the empty string', async () => {
  await using it = await images()
  await it.images.put({ ...example('a'), labels: { one: '1', two: '2' } }, asked)
  expect((await it.images.label('a', { two: '', three: '3' }, {})).labels).toEqual({ one: '1', three: '3' })
  expect(it.told.map(({ fact }) => fact)).toEqual(['created', 'updated'])
})

test('a name is forgotten, what it named is not touched', async () => {
  await using it = await images()
  await it.images.put(example('a'), asked)
  await it.images.remove('a', {})
  expect(() => it.images.get('a')).toThrow('there is none')
  expect(it.told.at(-1)).toMatchObject({ fact: 'removed', data: { name: 'a', digest: digest(1) } })
  await expect(it.images.remove('a', {})).rejects.toMatchObject({ code: 'not_found' })
  await expect(it.images.label('a', {}, {})).rejects.toMatchObject({ code: 'not_found' })
})

test('lists by name, two hundred at a time, without parts', async () => {
  await using it = await images()
  for (let n = 0; n < 201; n++) await it.images.put(example(`image-${String(n).padStart(3, '0')}`), asked)
  const first = it.images.list({})
  expect([first.images.length, first.images[0]?.name, first.more]).toEqual([200, 'image-000', true])
  expect(first.images[0]).not.toHaveProperty('parts')
  const rest = it.images.list({ after: first.images.at(-1)?.name })
  expect([rest.images.map(({ name }) => name), rest.more]).toEqual([['image-200'], false])
})

test('lists those that pass a filter', async () => {
  await using it = await images()
  for (const name of ['a', 'b', 'c']) await it.images.put({ ...example(name), labels: { of: name } }, asked)
  const names = (...filters: string[]) => it.images.list({ filters }).images.map(({ name }) => name)
  expect(names('name==b')).toEqual(['b'])
  expect(names('labels.of~=^[ac]$,name!=a', 'name==b')).toEqual(['b', 'c'])
  expect(names(`digest==${digest(1)}`)).toEqual(['a', 'b', 'c'])
  expect(() => names('name=')).toThrow()
})

test('what a name names is kept from the moment it is recorded, whatever was about to become of it', async () => {
  await using it = await images()
  const things = thingTable(it.tables)
  const name = nameOf({ kind: 'content', key: digest(3) })
  await it.tables.transaction(() => {
    it.keeping.keep({ kind: 'content', key: digest(3) })
    const row = things.get(name)
    if (row) things.put(name, { ...row, doomed: true })
  })
  await it.images.put({ ...example('a'), labels: { 'gantry.gc.ref.content': digest(9) } }, asked)
  expect(things.get(name)?.doomed).toBeUndefined()
  expect(things.get('image/a')).toMatchObject({
    root: true,
    refs: [1, 2, 3, 4].map((n) => `content/${digest(n)}`),
    labelled: [`content/${digest(9)}`],
  })
  await it.images.label('a', { 'gantry.gc.ref.content': '' }, {})
  expect(things.get('image/a')).toMatchObject({ root: true, labelled: [] })
  await it.images.remove('a', {})
  expect(things.get('image/a')).toBeUndefined()
})

test('a name is not recorded when something was collected after it was looked up', async () => {
  await using it = await images()
  const thing = { kind: 'content', key: digest(3) }
  await it.tables.transaction(() => it.keeping.keep(thing))
  const collecting = openImages({
    tables: it.tables,
    keeping: it.keeping,
    outbox: { put: () => {} },
    now: () => '',
    sizeOf: async ({ digest, size }) => {
      if (digest === thing.key) await it.tables.transaction(() => it.keeping.gone(thing))
      return size
    },
  })
  await expect(collecting.put(example('a'), asked)).rejects.toMatchObject({
    code: 'failed_precondition',
    details: { missing: [thing.key] },
  })
  expect(() => it.images.get('a')).toThrow('there is none')
})

test('what is kept with its size is not asked for; with another size it is', async () => {
  await using it = await images()
  const wanted: string[] = []
  const asking = openImages({
    tables: it.tables,
    keeping: it.keeping,
    outbox: { put: () => {} },
    now: () => '',
    sizeOf: async ({ digest, size }) => {
      wanted.push(digest)
      return size
    },
  })
  await it.tables.transaction(() => {
    for (const n of [1, 2, 3]) it.keeping.keep({ kind: 'content', key: digest(n) }, { size: n === 3 ? 31 : n * 10 })
  })
  await asking.put(example('a'), asked)
  expect(wanted).toEqual([digest(3), digest(4)])
})

test('what was recorded before such things were written down is kept too', async () => {
  await using it = await images()
  await it.images.put(example('a'), asked)
  await it.tables.transaction(() => it.keeping.gone({ kind: 'image', key: 'a' }))
  await it.images.keepFound()
  expect(thingTable(it.tables).get('image/a')).toMatchObject({ root: true })
})

test('says what of an image is gone since', async () => {
  await using it = await images()
  await it.images.put(example('a'), asked)
  expect(await it.images.missing('a', asked)).toEqual([])
  it.here.delete(digest(4))
  expect(await it.images.missing('a', asked)).toEqual([blob(4)])
  await expect(it.images.missing('b', asked)).rejects.toMatchObject({ code: 'not_found' })
})

test('gives up when told to', async () => {
  await using it = await images()
  await expect(it.images.put(example('a'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  expect(it.told).toEqual([])
})

test('answers on the bus, asking content there', async () => {
  await using it = await images()
  await using bus = memoryBus()
  const info = (digest: string, size: number) => ({
    digest,
    size,
    createdAt: new Date(0).toISOString(),
    updatedAt: new Date(0).toISOString(),
    labels: {},
    durable: true,
  })
  const { info: infoCall } = content
  await using _content = await serve(bus, {
    node: 'n1',
    actor: 'content',
    protocol: { info: infoCall },
    log: quiet,
    handlers: {
      info: ({ digest }, { fail }) => {
        const size = it.here.get(digest)
        return size === undefined ? fail('not_found', `look up ${digest}: there is none`) : info(digest, size)
      },
    },
  })
  const outbox = { put: (one: Told) => void it.told.push(one), empty: async () => {}, [Symbol.asyncDispose]: async () => {} }
  await using _image = await startImage({ node: 'n1', root: '/nowhere', bus, tables: it.tables, outbox, log: quiet, settings: {} })
  const images_ = client<typeof protocol>(bus, { node: 'n1', actor: 'image' })
  expect((await images_.put(example('a'))).size).toBe(100)
  expect((await images_.list({})).images.map(({ name }) => name)).toEqual(['a'])
  expect(await images_.check({ name: 'a' })).toEqual({ complete: true, missing: [] })
  await expect(images_.put(example('b', [part(88)]))).rejects.toMatchObject({ code: 'failed_precondition' })
  await images_.remove({ name: 'a' })
  await expect(images_.get({ name: 'a' })).rejects.toMatchObject({ code: 'not_found' })
})
