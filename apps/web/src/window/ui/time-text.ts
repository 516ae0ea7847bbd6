const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const dayInYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const longDayWithYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

/** The time of a message: `14:05`. */
export function timeOfDay(atMs: number): string {
  return time.format(atMs)
}

/** For lists: the time today, else the day. */
export function shortTime(atMs: number): string {
  if (atMs === 0) return ''
  return daysAgo(atMs) === 0 ? time.format(atMs) : dayInYear.format(atMs)
}

/** For day separators: `Today`, `Yesterday`, or the date. */
export function dayText(atMs: number): string {
  const days = daysAgo(atMs)
  if (days === 0 || days === 1) return capitalised(relative.format(-days, 'day'))
  return new Date(atMs).getFullYear() === new Date().getFullYear() ? longDay.format(atMs) : longDayWithYear.format(atMs)
}

export function fullTime(atMs: number): string {
  return full.format(atMs)
}

function daysAgo(atMs: number): number {
  const now = new Date()
  const then = new Date(atMs)
  return Math.round(
    (Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(then.getFullYear(), then.getMonth(), then.getDate())) /
      86_400_000,
  )
}

function capitalised(text: string): string {
  return text.slice(0, 1).toLocaleUpperCase() + text.slice(1)
}
