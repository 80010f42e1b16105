import { expect, test } from 'vitest'
import { type HeldComponents, heldAs } from '../../../actors/tag/held.ts'
import { Failure } from '../../../messages/grammar/index.ts'

const digest = `sha256:${'1'.repeat(64)}`
const name = `h.test/r@${digest}`
const mediaType = 'application/vnd.oci.image.manifest.v1+json'
const signal = new AbortController().signal

/** Nodes, what each says of the blob, and who was asked; `n1` is this one. */
function played(says: Readonly<Record<string, { size: number; mediaType?: string } | Failure>>) {
  const asked: string[] = []
  const components: HeldComponents = {
    node: 'n1',
    now: () => 0,
    async info(node) {
      asked.push(node)
      const said = says[node] ?? new Failure('not_found', 'it is not here')
      if (said instanceof Failure) throw said
      return { size: said.size, labels: said.mediaType === undefined ? {} : { 'gantry.media-type': said.mediaType } }
    },
    async *holders() {
      for (const node of Object.keys(says)) if (node !== 'n1') yield { node, digest, size: 2, complete: false }
    },
  }
  return { asked, resolve: (options = { signal }) => heldAs(components, { name, digest }, options) }
}

test('what is here is not asked of anybody else', async () => {
  const { asked, resolve } = played({ n1: { size: 2, mediaType }, n2: { size: 2, mediaType } })
  expect(await resolve()).toEqual({
    name,
    descriptor: { mediaType, digest, size: 2 },
    checkedAt: '1970-01-01T00:00:00.000Z',
    by: 'n1',
    source: 'digest',
  })
  expect(asked).toEqual(['n1'])
})

test('the first node that has it and says what it is, is believed', async () => {
  const { asked, resolve } = played({
    n2: new Failure('unavailable', 'it is gone'),
    n3: { size: 2 },
    n4: { size: 2, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    n5: { size: 2 ** 40, mediaType },
    n6: { size: 2, mediaType },
  })
  expect(await resolve()).toMatchObject({ by: 'n6', descriptor: { mediaType, size: 2 } })
  expect(asked).toEqual(['n1', 'n2', 'n3', 'n4', 'n5', 'n6'])
})

test('nobody having it is left to the registry', async () => {
  expect(await played({}).resolve()).toBeUndefined()
})

test('gives up when told to', async () => {
  await expect(played({}).resolve({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
})
