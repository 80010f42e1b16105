import { Failure } from '../../messages/grammar/index.ts'
import type { Known } from '../../messages/tag.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'
import type { Bucket } from '../../runtime/bus/bucket.ts'
import { type Entry, keyOf } from './agree.ts'

export interface ShareComponents {
  readonly node: string
  readonly now: () => number
  readonly names: Bucket<Entry>
  readonly tell: (fact: 'shared' | 'unshared', data: { name: string; digest?: Digest }) => Promise<void>
}

/** Have a name stand for what it stands for here, in the whole cluster. */
export async function shareName(
  components: ShareComponents,
  { name, descriptor }: { name: string; descriptor: Descriptor },
): Promise<Known> {
  const { node, now, names, tell } = components
  const entry: Entry = { name, descriptor, checkedAt: new Date(now()).toISOString(), by: node, source: 'shared' }
  while (true) {
    const known = await names.get(keyOf(name))
    const done = known?.value ? await names.update(keyOf(name), entry, known.revision) : await names.create(keyOf(name), entry)
    if (done === undefined) continue
    await tell('shared', { name, digest: descriptor.digest })
    return entry
  }
}

/** Leave a name to its registry. Fails with not_found when it is not shared. */
export async function unshareName({ names, tell }: ShareComponents, name: string): Promise<void> {
  while (true) {
    const known = await names.get(keyOf(name))
    if (known?.value?.source !== 'shared') throw new Failure('not_found', `unshare ${name}: it is not shared`)
    if (!(await names.remove(keyOf(name), known.revision))) continue
    return await tell('unshared', { name })
  }
}
