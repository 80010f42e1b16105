import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image, image } from '../../messages/image.ts'
import { gather } from '../../runtime/bus/gather.ts'
import type { Session } from '../command/session.ts'

/** Digests of all that an image is made of, for the platform it was brought for: as the node has it, else as another one has. Fails with not_found when none has. */
export async function imageParts(session: Session, name: string): Promise<string[]> {
  return blobsOf(await anywhere(session, name)).map(({ digest }) => digest)
}

/** The descriptors of what is here of an image, each once: what it is for, its documents, its layers. */
export function blobsOf({ target, manifest, config, parts }: Pick<Image, 'target' | 'manifest' | 'config' | 'parts'>) {
  const present = parts.filter(({ state }) => state === 'present').map(({ descriptor }) => descriptor)
  return [...new Map([target, manifest, config, ...present].map((descriptor) => [descriptor.digest, descriptor])).values()]
}

async function anywhere({ ask, bus, signal }: Session, name: string): Promise<Image> {
  try {
    return await ask<typeof image>('image').get({ name })
  } catch (error) {
    if (!isFailure(error, 'not_found', 'unavailable')) throw error
  }
  for await (const answer of gather<typeof image, 'get'>(bus, 'image', 'get', { name }, { signal })) {
    if ('reply' in answer) return answer.reply
  }
  throw new Failure('not_found', `look for image ${name}: no node has it`)
}
