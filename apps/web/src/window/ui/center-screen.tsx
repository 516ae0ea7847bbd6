import { Center, Paper, Stack } from '@mantine/core'
import type { ReactNode } from 'react'
import { KithMark } from './kith-mark.tsx'
import classes from './center-screen.module.css'

/** The frame of the screens before the chat. */
export function CenterScreen({ children }: { readonly children: ReactNode }) {
  return (
    <Center component="main" className={classes['screen']}>
      <Paper className={classes['card']} radius="lg">
        <Stack gap="lg">
          <KithMark />
          {children}
        </Stack>
      </Paper>
    </Center>
  )
}
