import type { Container } from '../../messages/container.ts'
import type { Digest, Thing } from '../../messages/words/index.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'

/** A container as something that is kept. */
export const thingOf = (id: string): Thing => ({ kind: 'container', key: id })

/**
 * Inside the transaction that records it: a container keeps its snapshot, and with it all that is below, and what it was made from; also when the image's name is
 * forgotten.
 */
export function keepContainer(keeping: Keeping, container: Container, { config }: { config?: Digest | undefined } = {}): void {
  const { id, driver, key, digest, labels } = container
  const blobs = [digest, ...(config === undefined ? [] : [config])].map((digest): Thing => ({ kind: 'content', key: digest }))
  keeping.keep(thingOf(id), { root: true, refs: [{ kind: 'snapshot', key: `${driver}/${key}` }, ...blobs], labels })
}
