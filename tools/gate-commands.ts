/** The gates that read sources, each a command that fails on a violation. */
export const gateCommands = {
  format: ['oxfmt', '--check', '.'],
  lint: ['oxlint', '--type-aware', '--deny-warnings', '--report-unused-disable-directives'],
  types: ['node', 'tools/check-types.ts'],
  boundaries: ['node', 'tools/check-boundaries.ts'],
  unused: ['knip', '--no-progress'],
} as const satisfies Record<string, readonly string[]>
