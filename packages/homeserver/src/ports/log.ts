export type LogField = string | number | boolean | undefined | readonly string[]

/**
 * One line a call: a constant message and fields.
 * Message content, keys and tokens never go in; ids, counts, sizes and errcodes may.
 */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, LogField>>): void
  info(message: string, fields?: Readonly<Record<string, LogField>>): void
  warn(message: string, fields?: Readonly<Record<string, LogField>>): void
  error(message: string, fields?: Readonly<Record<string, LogField>>): void
}
