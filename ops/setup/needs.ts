/** What a purpose needs of the system: any one of `anyOf` will do; `debian` is the package that brings it, `for` what is left out without it. */
export interface Need {
  readonly anyOf: readonly string[]
  readonly debian: string
  readonly for: string
  readonly purposes: readonly Purpose[]
}

export const purposes = ['demo', 'test'] as const
export type Purpose = (typeof purposes)[number]

export const needs: readonly Need[] = [
  { anyOf: ['nats-server'], debian: 'nats-server', for: 'the bus a node starts for itself', purposes: ['demo', 'test'] },
  { anyOf: ['crun'], debian: 'crun', for: 'running containers', purposes: ['demo', 'test'] },
  {
    anyOf: ['runc'],
    debian: 'runc',
    for: 'running containers where crun does not get along with the machine’s cgroups',
    purposes: ['demo', 'test'],
  },
  { anyOf: ['conmon'], debian: 'conmon', for: 'running containers', purposes: ['demo', 'test'] },
  { anyOf: ['docker-registry'], debian: 'docker-registry', for: 'a registry on loopback to pull from', purposes: ['demo', 'test'] },
  { anyOf: ['skopeo'], debian: 'skopeo', for: 'tests that push with somebody else’s tool', purposes: ['test'] },
  { anyOf: ['umoci'], debian: 'umoci', for: 'tests that compare root file systems with somebody else’s', purposes: ['test'] },
  { anyOf: ['strace'], debian: 'strace', for: 'tests that kill a process on its way into a system call', purposes: ['test'] },
  { anyOf: ['busybox'], debian: 'busybox-static', for: 'tests that run something in a container', purposes: ['test'] },
]

/** The needs of `purpose` that `find` does not find. */
export const missing = (purpose: Purpose, find: (command: string) => boolean): Need[] =>
  needs.filter((need) => need.purposes.includes(purpose) && !need.anyOf.some(find))

/** The command that installs them on Debian. */
export const installCommand = (lacking: readonly Need[]): string =>
  `apt-get install --yes --no-install-recommends ${[...new Set(lacking.map((need) => need.debian))].join(' ')}`
