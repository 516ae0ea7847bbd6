export * from './tables.ts'
export * from './timeline.ts'
