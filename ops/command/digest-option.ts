import { InvalidArgumentError } from 'commander'
import { isDigest } from '../../messages/words/is-digest.ts'

/** Reads an option that is a digest. */
export function digest(text: string): string {
  if (!isDigest(text)) throw new InvalidArgumentError('a digest is wanted, such as sha256 and 64 hex digits.')
  return text
}
