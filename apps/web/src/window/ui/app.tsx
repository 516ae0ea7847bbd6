import './mantine-styles.ts'
import './page.css'
import { MantineProvider } from '@mantine/core'
import { useMemo } from 'react'
import { ChatSession } from '../chat/chat-session.ts'
import type { NodeAccess } from '../node-access.ts'
import { FailureBoundary } from './failure-boundary.tsx'
import { Page } from './page.tsx'
import { theme } from './theme.ts'

const sessions = new WeakMap<NodeAccess, ChatSession>()

/** The whole page. Expects one NodeAccess for the life of the page. */
export function App({ nodeAccess }: { readonly nodeAccess: NodeAccess }) {
  const session = useMemo(() => sessionOf(nodeAccess), [nodeAccess])
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <FailureBoundary>
        <Page session={session} nodeAccess={nodeAccess} />
      </FailureBoundary>
    </MantineProvider>
  )
}

/** React may build a component twice; the chat lock must be asked for once. */
function sessionOf(nodeAccess: NodeAccess): ChatSession {
  const known = sessions.get(nodeAccess)
  if (known !== undefined) return known
  const session = new ChatSession(nodeAccess)
  sessions.set(nodeAccess, session)
  return session
}
