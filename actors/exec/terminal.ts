import { constants, open } from 'node:fs/promises'
import { fromErrno } from '../../runtime/errno.ts'
import type { Bundle } from './bundle.ts'

/** conmon refuses larger ones. */
const most = 1000

/** Tell a container's terminal how large it is, through the fifo conmon listens on; at most 1000 by 1000. */
export async function resizeTerminal(bundle: Bundle, size: { id: string; columns: number; rows: number }): Promise<void> {
  try {
    // Without waiting for a reader: if there is none, conmon is gone.
    await using fifo = await open(bundle.control, constants.O_WRONLY | constants.O_NONBLOCK)
    await fifo.writeFile(`1 ${Math.min(size.rows, most)} ${Math.min(size.columns, most)}\n`)
  } catch (error) {
    throw fromErrno(error, `resize task ${size.id}`)
  }
}
