import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Descriptor } from '../../messages/words/index.ts'
import { run } from './measure.ts'

/** What the machine itself takes, ms, for all layers one after the other, by the plainest tools: get over HTTP, hash, inflate, untar. */
export interface Limits {
  readonly read: number
  readonly hash: number
  readonly inflate: number
  readonly untar: number
}

/** Measure the limits for an image of a registry on loopback. */
export async function limitsOf(reference: string, options: { scratch: string }): Promise<Limits> {
  const directory = await mkdtemp(join(options.scratch, 'limits-'))
  const [host = '', repository = '', tag = 'latest'] = /^([^/]+)\/([^:]+)(?::(.+))?$/.exec(reference)?.slice(1) ?? []
  const at = (kind: string, what: string) => `http://${host}/v2/${repository}/${kind}/${what}`
  const layers = await layersOf(at, tag)
  const files = layers.map((_, index) => join(directory, String(index)))
  const each = async (work: (file: string, index: number) => Promise<void>) => {
    const began = performance.now()
    for (const [index, file] of files.entries()) await work(file, index)
    return performance.now() - began
  }
  return {
    read: await each(async (file, index) => save(await globalThis.fetch(at('blobs', layers[index]?.digest ?? '')), file)),
    hash: await each((file) => run('sha256sum', [file])),
    inflate: await each((file) => run('sh', ['-c', `gzip -dc ${file} > ${file}.tar`])),
    untar: await each(async (file) => {
      await mkdir(`${file}.d`)
      await run('tar', ['-xf', `${file}.tar`, '-C', `${file}.d`])
    }),
  }
}

async function layersOf(at: (kind: string, what: string) => string, tag: string): Promise<Descriptor[]> {
  const accept =
    'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json'
  const answer = await globalThis.fetch(at('manifests', tag), { headers: { accept } })
  const document = (await answer.json()) as { layers?: Descriptor[]; manifests?: Descriptor[] }
  return document.layers ?? (await layersOf(at, document.manifests?.[0]?.digest ?? ''))
}

async function save(answer: Response, file: string): Promise<void> {
  if (!answer.ok || !answer.body) throw new Error(`get ${answer.url}: ${answer.status}`)
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(file))
}
