import { Alert, Button } from '@mantine/core'
import { IconAlertCircle } from '@tabler/icons-react'
import { CenterScreen } from './center-screen.tsx'

export interface FailureScreenProps {
  readonly message: string
  readonly whatToDo: string
  readonly onRetry: () => void
}

export function FailureScreen({ message, whatToDo, onRetry }: FailureScreenProps) {
  return (
    <CenterScreen>
      <Alert color="red" title={message} icon={<IconAlertCircle />} role="alert">
        {whatToDo}
      </Alert>
      <Button size="md" onClick={onRetry}>
        Try again
      </Button>
    </CenterScreen>
  )
}
