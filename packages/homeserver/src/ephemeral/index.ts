export * from './ephemeral.ts'
export type { Receipt } from './receipts.ts'
export { ephemeralTables } from './tables.ts'
