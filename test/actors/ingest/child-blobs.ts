/** What the child ingests. */
export const blob = Buffer.alloc(1_900_000, 'what the child brings ')
export const half = 400_000
export const small = Buffer.from('a small blob of the child')
