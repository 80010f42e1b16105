export * from '../../ops/lab/images.ts'
