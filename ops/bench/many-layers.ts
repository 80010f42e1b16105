import { makeImage, pushImage } from '../lab/images.ts'

/** Push an image of `count` small layers, a few files each, to a registry on loopback; resolves to its reference. */
export async function pushManyLayers(host: string, count: number): Promise<string> {
  const layer = (index: number) =>
    Array.from({ length: 8 }, (_, file) => ({ name: `etc/layer-${index}-${file}`, content: `${index} ${file} `.repeat(500) }))
  const layers = Array.from({ length: count }, (_, index) => [{ name: 'etc/', type: 'directory' as const }, ...layer(index)])
  const image = await makeImage({ layers, config: { Cmd: ['true'] } })
  return await pushImage({ host, url: `http://${host}` }, `library/layers-${count}:latest`, image)
}
