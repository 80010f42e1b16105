import { Failure } from '../../messages/grammar/index.ts'

declare const terminated: unique symbol

/** Bytes ending in NUL: a name or path as the kernel takes it, in whatever encoding it is. Bytes after the first NUL do not count. */
export type CString = Uint8Array & { readonly [terminated]: true }

/** A path: ordinary text (written as UTF-8), or its bytes. */
export type Path = string | CString

/** Bytes with a NUL put after them. Fails with invalid_argument when there is one inside. */
export function cstring(text: string | Uint8Array): CString {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  if (bytes.includes(0))
    throw new Failure('invalid_argument', `use ${JSON.stringify(Buffer.from(bytes).toString())} as a path: it has a NUL in it`)
  const buffer = Buffer.alloc(bytes.length + 1)
  buffer.set(bytes)
  return buffer as Uint8Array as CString
}

/** Room for one name that is used again and again: `write` puts a latin1 string (one character a byte) in it and hands out the room itself. */
export function nameRoom(): { write(latin1: string): CString } {
  const room = Buffer.alloc(4097)
  return {
    write(latin1) {
      if (latin1.length > 4096) throw new Failure('invalid_argument', `use a path of ${latin1.length} bytes: 4096 are allowed`)
      room[room.write(latin1, 0, 'latin1')] = 0
      return room as Uint8Array as CString
    },
  }
}

export const pathBytes = (path: Path): CString => (typeof path === 'string' ? cstring(path) : path)
