/**
 * The specification's texts of the auth rules, each named after the first room version that has it. They differ in what they say, which
 * is in other flags, and in how the rules are numbered.
 * @see https://spec.matrix.org/latest/rooms/
 */
export const AUTH_RULES_EDITIONS = ['v1', 'v3', 'v6', 'v7', 'v8', 'v10', 'v11', 'v12'] as const
export type AuthRulesEdition = (typeof AUTH_RULES_EDITIONS)[number]
