import { checkError, type Operation } from './openapi.test-support.ts'

/** A request and what came of it. */
export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly requestBody: unknown
  readonly status: number
  readonly contentType: string
  readonly responseBody: unknown
}

/** The operations that a request is for. `/query/{queryType}` covers the others below `/query`, which say more. */
export function findOperations(operations: readonly Operation[], method: string, path: string): Operation[] {
  return operations.filter((operation) => operation.method === method && patternOf(operation.path).test(path))
}

/** What is wrong with a request by the data; empty when nothing is. */
export function problemsOfRequest(operation: Operation, { url, requestBody }: Pick<Exchange, 'url' | 'requestBody'>): string[] {
  const problems: string[] = []
  for (const parameter of operation.parameters) {
    if (parameter.in === 'header') continue
    const texts = parameter.in === 'query' ? url.searchParams.getAll(parameter.name) : [pathParameter(operation, url, parameter.name)]
    if (texts.length === 0) {
      if (parameter.required) problems.push(`${parameter.name} is missing`)
      continue
    }
    const value = parameter.type === 'array' ? texts : typed(parameter.type, texts[0] ?? '')
    problems.push(...parameter.check(value).map((problem) => `${parameter.name}${problem}`))
  }
  problems.push(...(operation.checkRequestBody?.(requestBody) ?? []).map((problem) => `body${problem}`))
  return problems
}

/** The same for an answer. Every error is a Matrix error; those that the data names are what it says. */
export function problemsOfResponse(operation: Operation, exchange: Exchange): string[] {
  const { status, responseBody, contentType } = exchange
  const shape = operation.responses.get(status)
  if (status >= 400) return (shape?.check ?? checkError)(responseBody).map((problem) => `error ${status}${problem}`)
  if (shape === undefined) return [`the status ${status} is not one of the operation`]
  if (shape.check === undefined) return []
  if (!contentType.startsWith('application/json')) return [`the answer is ${contentType}`]
  return shape.check(responseBody).map((problem) => `answer${problem}`)
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)
}

function pathParameter(operation: Operation, url: URL, name: string): string {
  const index = operation.path.split('/').indexOf(`{${name}}`)
  return decodeURIComponent(url.pathname.split('/')[index] ?? '')
}

function typed(type: string, text: string): unknown {
  if (type === 'integer') return /^-?\d+$/.test(text) ? Number(text) : text
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  return text
}
