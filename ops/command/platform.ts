import { Failure } from '../../messages/grammar/index.ts'

/** The part of a request that says for which platform; none if none is said. Fails with invalid_argument. */
export async function platformOf(text: string | undefined, attempted: string) {
  if (text === undefined) return {}
  // what reads it knows the schemas, which most commands do not need
  const { parsePlatform } = await import('../../messages/words/platform.ts')
  const platform = parsePlatform(text)
  if (platform === undefined)
    throw new Failure(
      'invalid_argument',
      `${attempted} for platform ${JSON.stringify(text)}: os/architecture is wanted, such as linux/amd64`,
    )
  return { platform }
}
