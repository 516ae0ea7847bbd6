/**
 * What this package takes from its environment beyond the language itself: the two UTF-8 codecs, which every browser, worker and Node has.
 * Declared here so that the package compiles without DOM or Node types and stays free of both.
 */
interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}
declare const TextEncoder: { new (): TextEncoder }

interface TextDecoder {
  decode(bytes?: Uint8Array): string
}
declare const TextDecoder: { new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder }
