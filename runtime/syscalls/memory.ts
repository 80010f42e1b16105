import { libc } from './libc.ts'

const mallopt = libc<[number, number]>('int mallopt(int option, int value)')
const M_ARENA_MAX = -8

/**
 * Let all threads of the process share so many heaps of the C library. It would give each thread one of its own, and what is freed in one is of no use to another. To be called
 * before there are threads. Whether the library does so.
 */
export const shareHeaps = (count: number): boolean => mallopt(M_ARENA_MAX, count) === 1
