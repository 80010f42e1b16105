import { Failure } from '../../messages/grammar/index.ts'

/** A layer that is not what a layer must be. `what` names the entry, if there is one, and what is wrong with it. */
export const invalid = (what: string, cause?: unknown): Failure => new Failure('data_loss', `invalid archive: ${what}`, { cause })

/** A layer that asks for more than is allowed. */
export const excessive = (what: string): Failure => new Failure('resource_exhausted', `apply layer: ${what}`)

/** A name for people: quoted, what is not printable escaped. Names are latin1 strings, one character a byte; most are UTF-8. */
export const quoted = (name: string): string => JSON.stringify(Buffer.from(name.slice(0, 300), 'latin1').toString())
