/** A thread of a node: its own connection and tables, the actors placed on it. */
import { runThread } from '../../runtime/workers.ts'
import { type Placing, place } from './place.ts'

await runThread((placing: Placing) => place(placing))
