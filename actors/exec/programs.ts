import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import type { Cgroups } from './cgroups.ts'

/** The programs a container is run by. */
export interface Programs {
  /** OCI runtime: crun, runc, or what the settings name */
  readonly runtime: string
  readonly conmon: string
}

export interface ProgramsInit {
  /** `exec.runtime` of the settings: a name or a path */
  readonly setting: string | undefined
  readonly cgroups: Cgroups
}

/** Find them. Fails with unimplemented, naming the Debian package, when one is missing or none can be used here. */
export async function findPrograms(init: ProgramsInit): Promise<Programs> {
  const conmon = await findProgram('conmon')
  if (conmon === undefined) throw missing('conmon is not on this machine', 'conmon')
  return { runtime: await findRuntime(init), conmon }
}

async function findRuntime({ setting, cgroups }: ProgramsInit): Promise<string> {
  if (setting !== undefined && setting !== '') {
    const named = await findProgram(setting)
    if (named === undefined) throw missing(`${setting}, which the setting exec.runtime names, is not on this machine`, 'crun')
    return named
  }
  const crun = await findProgram('crun')
  if (crun !== undefined && cgroups.crunRefuses === undefined) return crun
  const runc = await findProgram('runc')
  if (runc !== undefined) return runc
  if (crun !== undefined) throw missing(`crun cannot be used, because ${cgroups.crunRefuses}`, 'runc')
  throw missing('there is no OCI runtime on this machine', 'crun')
}

/** Where a program lies: in PATH, or where Debian puts what only root runs. */
async function findProgram(name: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin']
  const candidates = isAbsolute(name) ? [name] : directories.filter(isAbsolute).map((directory) => join(directory, name))
  for (const path of candidates) {
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (executable) return path
  }
  return undefined
}

const missing = (why: string, debian: string) =>
  new Failure('unimplemented', `run a container: ${why}; on Debian: apt-get install ${debian}`)
