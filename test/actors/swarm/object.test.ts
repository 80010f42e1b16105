import { expect, test } from 'vitest'
import { bringObject, type ObjectComponents } from '../../../actors/swarm/object.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { aBlob } from './setup.ts'

const { signal } = new AbortController()
const blob = aBlob(1_000)
const { digest, size } = blob.descriptor
const request = { name: 'x/y:z', descriptor: blob.descriptor }

test('a document comes from the first that has it, and the registry is not asked', async () => {
  const at = holding({ one: blob.bytes })
  expect(Buffer.compare(await bringObject(at.components, request, { signal }), blob.bytes)).toBe(0)
  expect(at.asked).toEqual(['one'])
})

test('who sends something else is named, and the next is asked', async () => {
  const at = holding({ liar: aBlob(1_000).bytes, good: blob.bytes })
  expect(Buffer.compare(await bringObject(at.components, request, { signal }), blob.bytes)).toBe(0)
  expect(at.blamed).toEqual(['liar'])
})

test('when nobody has it whole and right it comes from the registry', async () => {
  for (const others of [{}, { liar: aBlob(1_000).bytes }, { short: blob.bytes.subarray(1) }, { gone: undefined }]) {
    const at = holding(others)
    expect(Buffer.compare(await bringObject(at.components, request, { signal }), blob.bytes)).toBe(0)
    expect(at.asked.at(-1)).toBe('registry')
  }
})

test('it fails as the registry does', async () => {
  const at = holding({})
  const fetch = {
    // biome-ignore lint/correctness/useYield: it fails before
    async *object(): AsyncGenerator<never> {
      throw new Failure('not_found', 'no such blob')
    },
  }
  await expect(bringObject({ ...at.components, fetch } as never, request, { signal })).rejects.toMatchObject({ code: 'not_found' })
})

test('it gives up when told to', async () => {
  const at = holding({ one: blob.bytes })
  await expect(bringObject(at.components, request, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  expect(at.asked).not.toContain('registry')
})

function holding(others: Readonly<Record<string, Uint8Array | undefined>>): {
  components: ObjectComponents
  asked: string[]
  blamed: string[]
} {
  const asked: string[] = []
  const blamed: string[] = []
  const components = {
    fetch: {
      async *object() {
        asked.push('registry')
        yield { bytes: new Uint8Array(blob.bytes) }
      },
    },
    async *holders() {
      for (const [node, bytes] of Object.entries(others)) yield { node, digest, size: bytes?.length ?? size, complete: true }
    },
    async read(node: string) {
      asked.push(node)
      const bytes = others[node]
      if (!bytes) throw new Failure('unavailable', 'gone')
      return bytes
    },
    blame: (_: string, sender: string) => void blamed.push(sender),
  }
  return { components: components as unknown as ObjectComponents, asked, blamed }
}
