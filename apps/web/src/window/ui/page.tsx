import { lazy, Suspense } from 'react'
import type { ChatPhase, ChatSession } from '../chat/chat-session.ts'
import type { NodeAccess } from '../node-access.ts'
import { ElsewhereScreen } from './elsewhere-screen.tsx'
import { FailureScreen } from './failure-screen.tsx'
import { FirstRunScreen } from './first-run-screen.tsx'
import { useObservable } from './observe.ts'
import { StartScreen } from './start-screen.tsx'

const Workspace = lazy(async () => {
  const { Workspace: component } = await import('./workspace.tsx')
  return { default: component }
})

export interface PageProps {
  readonly session: ChatSession
  readonly nodeAccess: NodeAccess
}

/** One screen for each phase of the chat. */
export function Page({ session, nodeAccess }: PageProps) {
  const phase = useObservable(session.phase)
  const status = useObservable(nodeAccess.status)
  if (status.kind === 'failed' && phase.kind !== 'elsewhere') {
    return <FailureScreen message={status.message} whatToDo={status.whatToDo} onRetry={nodeAccess.retry} />
  }
  return <PhaseScreen phase={phase} session={session} nodeAccess={nodeAccess} />
}

function PhaseScreen({ phase, session, nodeAccess }: PageProps & { readonly phase: ChatPhase }) {
  switch (phase.kind) {
    case 'opening':
      return <StartScreen step="opening" nodeAccess={nodeAccess} firstRun={false} />
    case 'elsewhere':
      return <ElsewhereScreen takingOver={phase.takingOver} onUseHere={() => session.takeOver()} />
    case 'first-run':
      return <FirstRunScreen nodeAccess={nodeAccess} onBegin={(displayName) => session.begin(displayName)} />
    case 'starting':
      return <StartScreen step={phase.step} nodeAccess={nodeAccess} firstRun={phase.firstRun} />
    case 'ready':
      return (
        <Suspense fallback={<StartScreen step="syncing" nodeAccess={nodeAccess} firstRun={false} />}>
          <Workspace chat={phase.chat} nodeAccess={nodeAccess} />
        </Suspense>
      )
    case 'failed':
      return <FailureScreen message="The chat could not start" whatToDo={phase.reason} onRetry={() => void session.retry()} />
  }
}
