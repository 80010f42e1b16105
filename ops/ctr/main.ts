/** `ctr`: containers and what they stand on. */
import { run } from '../command/program.ts'

await run('ctr', 'Run containers of images that are here', {
  run: { summary: 'make a container and run it', load: async () => (await import('./run.ts')).run },
  commit: { summary: 'make an image of a container', load: async () => (await import('./commit.ts')).commit },
  tasks: {
    summary: 'containers at work',
    verbs: {
      list: { summary: 'list them', aliases: ['ls'], load: async () => (await import('./tasks-ls.ts')).tasksLs },
      kill: { summary: 'send one a signal', load: async () => (await import('./tasks-kill.ts')).tasksKill },
    },
  },
  containers: {
    summary: 'containers, at work or not',
    verbs: {
      list: { summary: 'list them', aliases: ['ls'], load: async () => (await import('./containers-ls.ts')).containersLs },
      remove: { summary: 'remove some', aliases: ['rm'], load: async () => (await import('./containers-rm.ts')).containersRm },
    },
  },
  snapshots: {
    summary: 'the file systems of images and containers',
    verbs: {
      list: {
        summary: 'list them, and how far those are that are being unpacked',
        aliases: ['ls'],
        load: async () => (await import('./snapshots-list.ts')).snapshotsList,
      },
      tree: { summary: 'show which stands on which', load: async () => (await import('./snapshots-tree.ts')).snapshotsTree },
      info: { summary: 'say all that is known of one', load: async () => (await import('./snapshots-info.ts')).snapshotsInfo },
      usage: { summary: 'say what they take up', load: async () => (await import('./snapshots-usage.ts')).snapshotsUsage },
      mounts: { summary: 'print the command that mounts one', load: async () => (await import('./snapshots-mounts.ts')).snapshotsMounts },
      prepare: { summary: 'make a writable one', load: async () => (await import('./snapshots-prepare.ts')).snapshotsPrepare },
      view: { summary: 'make a read-only one', load: async () => (await import('./snapshots-prepare.ts')).snapshotsView },
      commit: { summary: 'freeze a writable one', load: async () => (await import('./snapshots-commit.ts')).snapshotsCommit },
      diff: { summary: 'write what one changed as a layer', load: async () => (await import('../dist/diff.ts')).diff },
      label: { summary: 'set labels of one', load: async () => (await import('./snapshots-label.ts')).snapshotsLabel },
      remove: {
        summary: 'remove some',
        aliases: ['rm', 'delete'],
        load: async () => (await import('./snapshots-remove.ts')).snapshotsRemove,
      },
    },
  },
  images: {
    summary: 'images that are here',
    verbs: {
      list: { summary: 'list them', aliases: ['ls'], load: async () => (await import('./images-ls.ts')).imagesLs },
      mount: { summary: 'show the files of one at a directory', load: async () => (await import('./images-mount.ts')).imagesMount },
      unmount: {
        summary: 'take what is shown at a directory away',
        aliases: ['umount'],
        load: async () => (await import('./images-unmount.ts')).imagesUnmount,
      },
    },
  },
  content: {
    summary: 'blobs in the content store',
    verbs: { list: { summary: 'list them', aliases: ['ls'], load: async () => (await import('./content-ls.ts')).contentLs } },
  },
  leases: {
    summary: 'what holds blobs, snapshots and images that nothing else refers to',
    verbs: {
      list: { summary: 'list them', aliases: ['ls'], load: async () => (await import('./leases-ls.ts')).leasesLs },
      create: { summary: 'make one', load: async () => (await import('./leases-create.ts')).leasesCreate },
      add: { summary: 'have one hold more', load: async () => (await import('./leases-add.ts')).leasesAdd },
      remove: { summary: 'end some', aliases: ['rm'], load: async () => (await import('./leases-rm.ts')).leasesRm },
    },
  },
})
