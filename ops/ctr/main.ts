/** `ctr`: containers and what they stand on. */
import { run } from '../command/program.ts'

await run('ctr', 'Run containers of images that are here', {
  run: { summary: 'make a container and run it', load: async () => (await import('./run.ts')).run },
  tasks: {
    summary: 'containers at work',
    verbs: {
      ls: { summary: 'list them', load: async () => (await import('./tasks-ls.ts')).tasksLs },
      kill: { summary: 'send one a signal', load: async () => (await import('./tasks-kill.ts')).tasksKill },
    },
  },
  containers: {
    summary: 'containers, at work or not',
    verbs: {
      ls: { summary: 'list them', load: async () => (await import('./containers-ls.ts')).containersLs },
      rm: { summary: 'remove some', load: async () => (await import('./containers-rm.ts')).containersRm },
    },
  },
  snapshots: {
    summary: 'the file systems of images and containers',
    verbs: { ls: { summary: 'list them', load: async () => (await import('./snapshots-ls.ts')).snapshotsLs } },
  },
  images: {
    summary: 'images that are here',
    verbs: { ls: { summary: 'list them', load: async () => (await import('./images-ls.ts')).imagesLs } },
  },
  content: {
    summary: 'blobs in the content store',
    verbs: { ls: { summary: 'list them', load: async () => (await import('./content-ls.ts')).contentLs } },
  },
  leases: {
    summary: 'what holds blobs, snapshots and images that nothing else refers to',
    verbs: {
      ls: { summary: 'list them', load: async () => (await import('./leases-ls.ts')).leasesLs },
      create: { summary: 'make one', load: async () => (await import('./leases-create.ts')).leasesCreate },
      add: { summary: 'have one hold more', load: async () => (await import('./leases-add.ts')).leasesAdd },
      rm: { summary: 'end some', load: async () => (await import('./leases-rm.ts')).leasesRm },
    },
  },
})
