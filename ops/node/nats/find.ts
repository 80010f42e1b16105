import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** Where Debian puts servers, and where people put what they built; often not on the PATH of an ordinary user. */
const usual = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/bin']

/** The path of a program: on the PATH, or where such programs usually are. Undefined when it is nowhere. */
export async function findProgram(name: string, { path = '' }: { path?: string | undefined }): Promise<string | undefined> {
  for (const directory of [...path.split(delimiter).filter(Boolean), ...usual]) {
    const candidate = join(directory, name)
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return candidate
  }
  return undefined
}
