/** What the command `kith` adds to the bounds of the homeserver. Sizes in bytes, times in ms. */
export const limits = {
  // Asking others over HTTP.
  connectTimeoutMs: 10_000,
  /** Until the head of an answer, and between two pieces of its body. */
  answerTimeoutMs: 10_000,
  connectionsPerOrigin: 4,
  responseHeadBytesMax: 32 * 1024,
  pushTimeoutMs: 15_000,
  pushAnswerBytesMax: 64 * 1024,
  appServiceTimeoutMs: 30_000,
  appServiceAnswerBytesMax: 1024 * 1024,
  /** Of an answer, what is kept as text. */
  appServiceTextCharactersMax: 4_096,

  // Previews of pages.
  previewTimeoutMs: 15_000,
  previewRedirectsMax: 5,
  /** What a page says of itself stands at its beginning. */
  previewPageBytesMax: 512 * 1024,
  previewImageBytesMax: 8 * 1024 * 1024,
  previewValueCharactersMax: 1_000,
  previewPropertiesMax: 50,
  /** Where a page says its encoding, if its server does not. */
  previewEncodingHeadBytes: 1_024,
  previewContentTypeCharactersMax: 200,
  /** The parser looks through all open tags for each closing one, so few are open at a time, and few in all. */
  previewTagsMax: 5_000,
  previewTagDepthMax: 200,
  /** The parser is stopped between pieces only. */
  previewPieceCharacters: 1_024,

  // Registrations of application services.
  registrationBytesMax: 1024 * 1024,
  patternsPerNamespaceMax: 1_000,
  patternCharactersMax: 1_000,
  /** Instructions of a compiled pattern: what one step through an id costs at most. */
  patternSizeMax: 10_000,
  protocolsPerServiceMax: 100,
  protocolNameCharactersMax: 255,
} as const
