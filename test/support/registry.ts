export * from '../../ops/lab/registry.ts'
