import { Badge, createTheme, Drawer, Modal } from '@mantine/core'

const systemFonts = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, "Helvetica Neue", Arial, sans-serif'

export const theme = createTheme({
  primaryColor: 'kith',
  // Shade 7 carries white text at a contrast of 5.9 to 1, on light and on dark ground.
  primaryShade: { light: 7, dark: 7 },
  colors: {
    kith: ['#eaf6f6', '#d5eaea', '#abd6d6', '#7dc0c1', '#58adae', '#409fa0', '#2f898a', '#206f70', '#155c5d', '#0a4546'],
  },
  fontFamily: systemFonts,
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
  defaultRadius: 'md',
  cursorType: 'pointer',
  focusRing: 'auto',
  respectReducedMotion: true,
  components: {
    Badge: Badge.extend({ styles: { root: { textTransform: 'none' } } }),
    Drawer: Drawer.extend({ styles: { title: { fontWeight: 600 } } }),
    Modal: Modal.extend({ styles: { title: { fontWeight: 600 } } }),
  },
})
