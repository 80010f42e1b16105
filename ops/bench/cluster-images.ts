import { randomBytes } from 'node:crypto'
import { type Image, makeImage } from '../lab/images.ts'

/** An image of so many bytes in layers of one file each, that nothing makes smaller and nobody has. */
export async function randomImage(bytes: number, layers: number): Promise<Image> {
  const one = () => ({ entries: [{ name: 'data', content: randomBytes(Math.floor(bytes / layers)) }], compression: 'none' as const })
  return await makeImage({ layers: Array.from({ length: layers }, one) })
}

/** Bytes of everything of an image, as a registry sends it once. */
export const sizeOf = ({ manifest, config, layers }: Image): number =>
  [manifest, config, ...layers].reduce((sum, { descriptor }) => sum + descriptor.size, 0)
