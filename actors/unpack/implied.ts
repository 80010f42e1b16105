import { Failure } from '../../messages/grammar/index.ts'
import type { Ground } from './ground.ts'

/** As much as fits a message beside everything else. */
const impliedBytes = 256 * 1024

/**
 * The directories no entry described but some needed. It matters which they are only where they take their attributes from a layer below: then one that cannot be told fails with
 * failed_precondition and `reason: 'parent'`, for the layer must be applied where it need not be known. Of a layer with nothing below, it is left out.
 */
export function impliedPaths(ground: Ground): string[] {
  if (ground.whiteouts !== 'overlay') return []
  const paths: string[] = []
  let bytes = 0
  for (const directory of ground.implied) {
    const latin1 = directory.path()
    const path = Buffer.from(latin1, 'latin1').toString()
    bytes += latin1.length
    const told = bytes <= impliedBytes && Buffer.from(path).toString('latin1') === latin1
    if (told) paths.push(path || '.')
    else if (!ground.base)
      throw new Failure('failed_precondition', 'apply layer without its parent: the directories it needs from there cannot be told', {
        details: { reason: 'parent' },
      })
  }
  return paths.sort()
}
