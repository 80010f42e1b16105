import { join } from 'node:path'
import type { TarEntry } from '../../runtime/tar.ts'
import { type Image, makeImage, makeLayer } from '../lab/images.ts'
import { closureOf, entriesOf, librariesOf, unpackPackages } from './debian.ts'

/**
 * A redis image out of Debian's packages, in four layers: what every program needs, the other libraries, redis itself, and its set-up.
 * `scratch` is a directory to work in. Needs the package lists (`apt-get update`) and Debian's mirror, nothing else of the network.
 */
export async function redisImage(scratch: string, options: { say: (line: string) => void }): Promise<Image> {
  const libraries = (await librariesOf(await closureOf('redis-server'))).filter((name) => !/perl|pam|audit|semanage/.test(name))
  const base = libraries.filter((name) => /^(libc6|libgcc-s1|gcc-.*-base)$/.test(name))
  const packages = [base, libraries.filter((name) => !base.includes(name)), ['redis-tools', 'redis-server']]
  const layers = []
  for (const [index, names] of packages.entries()) {
    options.say(`layer ${index + 1}: ${names.join(' ')}`)
    const directory = join(scratch, `layer-${index + 1}`)
    await unpackPackages(names, directory)
    layers.push(
      await makeLayer(
        index === 0 ? [...accounts, ...(await Array.fromAsync(entriesOf(directory)))] : await Array.fromAsync(entriesOf(directory)),
      ),
    )
  }
  options.say('layer 4: a user, a data directory, a configuration')
  layers.push(await makeLayer(setUp))
  return await makeImage({ layers, config })
}

const accounts: TarEntry[] = [
  { name: 'etc/', type: 'directory' },
  { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nredis:x:100:101::/data:/bin/false\n' },
  { name: 'etc/group', content: 'root:x:0:\nredis:x:101:\n' },
  { name: 'tmp/', type: 'directory', mode: 0o1777 },
]

const setUp: TarEntry[] = [
  { name: 'data/', type: 'directory', uid: 100, gid: 101 },
  { name: 'etc/', type: 'directory' },
  { name: 'etc/redis/', type: 'directory' },
  { name: 'etc/redis/redis.conf', content: 'bind 127.0.0.1\ndaemonize no\ndir /data\nsave ""\nlogfile ""\n' },
]

const config = {
  User: 'redis',
  Entrypoint: ['redis-server', '/etc/redis/redis.conf'],
  Cmd: ['--port', '6379'],
  Env: ['PATH=/usr/bin:/bin'],
  WorkingDir: '/data',
  StopSignal: 'SIGTERM',
}
