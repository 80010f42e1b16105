import { agreed } from '../../../messages/agreed.ts'
import { type Bucket, openBucket } from '../../../runtime/bus/bucket.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import type { Agreement } from '../claims.ts'

/** Where all nodes agree on who reads what. Opened when first needed; what was agreed on goes with its server. */
export interface Agreements extends Disposable {
  /** Undefined where there is no such thing. Fails with unavailable when it does not answer. */
  bucket(): Promise<Bucket<Agreement> | undefined>
}

export function openAgreements(bus: Bus): Agreements {
  let opened: Promise<Bucket<Agreement> | undefined> | undefined
  const forget = (): void => void (opened = undefined)
  const status = bus.onStatus((now) => now === 'connected' && forget())
  return {
    bucket() {
      if (!opened) {
        const opening = openBucket<Agreement>(bus, agreed.claims)
        opened = opening
        opening.catch(() => opened === opening && forget())
      }
      return opened
    },
    [Symbol.dispose]: () => status[Symbol.dispose](),
  }
}
