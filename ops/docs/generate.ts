/** `npm run docs`: everything that is made from the code, made again. */
await import('./generate-protocol.ts')
await import('./generate-machines.ts')
