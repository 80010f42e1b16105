/** `dist`: images, and the content they are made of. */
import { run } from '../command/program.ts'

await run('dist', 'Bring images from registries, and look after their content', {
  pull: { summary: 'bring an image from a registry', load: async () => (await import('./pull.ts')).pull },
  images: { summary: 'list the images that are here', alias: 'ls', load: async () => (await import('./images.ts')).images },
  rmi: { summary: 'forget images', load: async () => (await import('./rmi.ts')).rmi },
  list: { summary: 'list the blobs in the content store', load: async () => (await import('./list.ts')).list },
  active: { summary: 'list the blobs on their way into the content store', load: async () => (await import('./active.ts')).active },
  path: { summary: 'print the files blobs lie in', load: async () => (await import('./path.ts')).path },
  delete: { summary: 'delete blobs', load: async () => (await import('./delete.ts')).remove },
})
