export interface MembershipChange {
  readonly previous: string | undefined
  readonly next: string
  readonly senderName: string
  readonly targetName: string
  /** The change is somebody's own: the sender is the target. */
  readonly self: boolean
  readonly previousDisplayName?: string | undefined
  readonly nextDisplayName?: string | undefined
}

/** A sentence for a membership event, or undefined when it changed nothing that people care for. */
export function describeMembership(change: MembershipChange): string | undefined {
  const { previous, next, senderName, targetName, self } = change
  switch (next) {
    case 'invite':
      return `${senderName} invited ${targetName}`
    case 'join':
      return previous === 'join' ? describeRename(change) : `${targetName} joined`
    case 'leave':
      return describeLeave(previous, senderName, targetName, self)
    case 'ban':
      return `${senderName} banned ${targetName}`
    case 'knock':
      return `${targetName} asked to join`
    default:
      return undefined
  }
}

function describeRename({ previousDisplayName, nextDisplayName, targetName }: MembershipChange): string | undefined {
  if (previousDisplayName === nextDisplayName) return undefined
  return `${previousDisplayName ?? targetName} is now called ${nextDisplayName ?? targetName}`
}

function describeLeave(previous: string | undefined, senderName: string, targetName: string, self: boolean): string {
  if (previous === 'ban') return `${senderName} lifted the ban of ${targetName}`
  if (previous === 'invite') return self ? `${targetName} declined the invite` : `${senderName} took back the invite of ${targetName}`
  return self ? `${targetName} left` : `${senderName} removed ${targetName}`
}
