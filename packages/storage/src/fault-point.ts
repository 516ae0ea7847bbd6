/**
 * Called by an engine before it applies each write and before it makes a commit durable; what it throws must fail that commit alone
 * and leave nothing of it behind. Tests make the n-th call throw; production passes none.
 */
export type FaultPoint = (operation: 'write' | 'commit') => void
