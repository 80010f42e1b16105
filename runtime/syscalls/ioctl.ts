import { libc, onPool } from './libc.ts'

// Variadic in C; with one pointer after the number it is called the same way on x64 and arm64.
const ioctlC = libc<[number, number, Uint8Array]>('int ioctl(int fd, unsigned long request, void *argument)')

/** ioctl with a structure, on a thread of the pool. Nobody may touch the structure meanwhile. */
export const ioctlAsync = (fd: number, request: number, argument: Uint8Array, name: string): Promise<void> =>
  onPool(ioctlC, name, fd, request, argument)
