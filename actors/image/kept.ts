import type { Image } from '../../messages/image.ts'
import type { Digest, Thing } from '../../messages/words/index.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import { closure } from './closure.ts'

/** A name as something that is kept. */
export const thingOf = (name: string): Thing => ({ kind: 'image', key: name })

/** A blob as something that is kept. */
export const blobThing = (digest: Digest): Thing => ({ kind: 'content', key: digest })

/** Every blob a name needs to be here, as something that is kept. */
export const needs = (image: Pick<Image, 'target' | 'manifest' | 'config' | 'parts'>): Thing[] =>
  closure(image).map(({ digest }) => blobThing(digest))

/** Inside the transaction that records it: an image keeps all it needs, whatever it was held by before. */
export const keepImage = (keeping: Keeping, image: Image): void =>
  keeping.keep(thingOf(image.name), { root: true, refs: needs(image), labels: image.labels })
