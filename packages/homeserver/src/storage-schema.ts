import { roomsTables } from './rooms/tables.ts'
import { timelineTables } from './timeline/tables.ts'

/** All tables of a homeserver; engines that must declare their tables are given this list. */
export const tableNames: readonly string[] = [timelineTables, roomsTables].flatMap((tables) => Object.values(tables).map((table) => table.name))
