import { Component } from 'react'
import type { ReactNode } from 'react'
import { FailureScreen } from './failure-screen.tsx'

interface FailureBoundaryState {
  readonly failed: boolean
}

/** A mistake in one screen must not leave an empty page. */
export class FailureBoundary extends Component<{ readonly children: ReactNode }, FailureBoundaryState> {
  override readonly state: FailureBoundaryState = { failed: false }

  static getDerivedStateFromError(): FailureBoundaryState {
    return { failed: true }
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <FailureScreen
        message="This page made a mistake"
        whatToDo="Nothing of your chats is lost. Load the page again to go on."
        onRetry={() => location.reload()}
      />
    )
  }
}
