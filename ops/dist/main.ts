/** `dist`: images, and the content they are made of. */
import { run } from '../command/program.ts'

await run('dist', 'Bring images from registries, and look after their content', {
  pull: { summary: 'bring an image from a registry, and unpack it', load: async () => (await import('./pull.ts')).pull },
  fetch: { summary: 'bring an image from a registry, packed', load: async () => (await import('./fetch.ts')).fetch },
  unpack: { summary: 'unpack an image that is here', load: async () => (await import('./unpack.ts')).unpack },
  'fetch-object': {
    summary: 'print a manifest or a blob of a registry',
    load: async () => (await import('./fetch-object.ts')).fetchObject,
  },
  diff: { summary: 'write what a snapshot changed as a layer', load: async () => (await import('./diff.ts')).diff },
  import: { summary: 'make images of an OCI layout in an archive', load: async () => (await import('./import.ts')).importImages },
  export: { summary: 'write an image as an OCI layout in an archive', load: async () => (await import('./export.ts')).exportImage },
  where: { summary: 'say which nodes have a blob or an image', load: async () => (await import('./where.ts')).where },
  share: { summary: 'have the cluster answer for a name', load: async () => (await import('./share.ts')).share },
  unshare: { summary: 'leave a name to its registry again', load: async () => (await import('./unshare.ts')).unshare },
  tags: { summary: 'list the names the cluster knows', load: async () => (await import('./tags.ts')).tags },
  images: { summary: 'list the images that are here', aliases: ['ls'], load: async () => (await import('./images.ts')).images },
  rmi: { summary: 'forget images', load: async () => (await import('./rmi.ts')).rmi },
  ingest: { summary: 'make standard input a blob', load: async () => (await import('./ingest.ts')).ingest },
  apply: { summary: 'unpack a layer on standard input into a directory', load: async () => (await import('./apply.ts')).apply },
  active: { summary: 'list the blobs on their way into the content store', load: async () => (await import('./active.ts')).active },
  abort: { summary: 'throw away blobs that are not whole', load: async () => (await import('./abort.ts')).abort },
  list: { summary: 'list the blobs in the content store', load: async () => (await import('./list.ts')).list },
  path: { summary: 'print the files blobs lie in', load: async () => (await import('./path.ts')).path },
  label: { summary: 'set labels of a blob', load: async () => (await import('./label.ts')).label },
  verify: { summary: 'hash blobs again', load: async () => (await import('./verify.ts')).verify },
  delete: { summary: 'delete blobs', load: async () => (await import('./delete.ts')).remove },
  usage: { summary: 'say what the content store takes up', load: async () => (await import('./usage.ts')).usage },
})
