export * from './ephemeral.ts'
