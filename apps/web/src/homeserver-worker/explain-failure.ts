export interface Explanation {
  readonly message: string
  readonly whatToDo: string
}

const noRoom: Explanation = {
  message: 'This device has no room left for Kith',
  whatToDo: 'Free some space on the device, then try again. What you have so far is safe.',
}
const noStorage: Explanation = {
  message: 'This browser does not let Kith keep data',
  whatToDo: 'Leave private browsing, or allow this page to store data, then try again.',
}
const newerVersion: Explanation = {
  message: 'A newer version of Kith has been used here',
  whatToDo: 'Close all tabs of Kith, then open it again.',
}
const notLoaded: Explanation = {
  message: 'Kith could not be loaded',
  whatToDo: 'Check the connection and try again.',
}
const unknown: Explanation = {
  message: 'Your server could not start',
  whatToDo: 'Try again. Your data stays where it is. If it goes on failing, restart the browser.',
}

/** By the names that browsers and the storage engine give their errors. */
const byName = new Map<string, Explanation>([
  ['StorageFullError', noRoom],
  ['QuotaExceededError', noRoom],
  ['SecurityError', noStorage],
  ['InvalidStateError', noStorage],
  ['UnknownError', noStorage],
  ['OpenFailedError', noStorage],
  ['MissingAPIError', noStorage],
  ['VersionError', newerVersion],
])

/** What to tell people when the node does not start. */
export function explainFailure(error: unknown): Explanation {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    const explanation = byName.get(cause.name)
    if (explanation !== undefined) return explanation
    if (cause instanceof TypeError && /dynamically imported module|module script/i.test(cause.message)) return notLoaded
  }
  return unknown
}
