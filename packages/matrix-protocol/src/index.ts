export type { AuthContext, AuthEvent, AuthOutcome, AuthState } from './auth-rules/auth-event.ts'
export * from './auth-rules/auth-rule.ts'
export * from './auth-rules/auth-types.ts'
export * from './auth-rules/authorise-by-auth-events.ts'
export * from './auth-rules/authorise.ts'
export {
  creatorsOf,
  type PowerLevelAction,
  powerLevelOf,
  readLevel,
  requiredPowerForAction,
  requiredPowerForEvent,
} from './auth-rules/power-levels.ts'
export * from './bytes/base64.ts'
export * from './bytes/sha1.ts'
export * from './bytes/sha256.ts'
export * from './bytes/utf8.ts'
export * from './events/event-references.ts'
export * from './events/hashes.ts'
export * from './events/parse-pdu.ts'
export * from './events/pdu.ts'
export * from './events/redact.ts'
export * from './events/required-signers.ts'
export * from './events/server-acl.ts'
export * from './events/signing-key-counts.ts'
export * from './events/state-map.ts'
export * from './events/stripped-state.ts'
export * from './ids/ids.ts'
export * from './ids/server-key.ts'
export * from './json/canonical-json.ts'
export * from './json/json-value.ts'
export * from './limits.ts'
export type { RedactionRules } from './room-versions/redaction-rules.ts'
export * from './room-versions/room-version.ts'
export * from './signing/signed-json.ts'
export { MissingEventError, type ResolutionLookup } from './state-resolution/event-graph.ts'
export * from './state-resolution/needed-for-resolution.ts'
export * from './state-resolution/resolve-state.ts'
export * from './unreachable.ts'
