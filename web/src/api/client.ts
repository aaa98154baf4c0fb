/**
 * The one way from the console to the gateway (docs/http-api.md).
 *
 * Same origin, the session in a cookie. A 401 is reported to `onSignInRequired`, which asks the
 * user to sign in again and says whether that succeeded; the request is then sent once more. So
 * an expired session loses no form, and tiles that play go on playing.
 */
import { observeDate } from './clock'
import { ApiError, errorOf } from './errors'

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface RequestOptions {
  query?: Query
  body?: unknown
  /** Instead of `body`: a file as it is. */
  raw?: Blob
  signal?: AbortSignal
  /** Beside those that every request has. */
  headers?: Readonly<Record<string, string>>
  /** Do not ask to sign in on 401: the caller handles it (the sign-in page itself). */
  quietly?: boolean
}

let signInAgain: (() => Promise<boolean>) | null = null
const reachability = new Set<(reachable: boolean) => void>()

export function onSignInRequired(handler: () => Promise<boolean>): void {
  signInAgain = handler
}

/** `listener(true | false)` after each request that did or did not reach the gateway. */
export function onReachability(listener: (reachable: boolean) => void): void {
  reachability.add(listener)
}

function reportReachable(reachable: boolean): void {
  for (const listener of reachability) listener(reachable)
}

/** `/api/cameras/cam_x/masks`; the parts may hold any character. */
export const apiPath = (...parts: string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`

export function urlOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return text === '' ? path : `${path}?${text}`
}

/** Sends, and once more where the session had ended and somebody signed in again. @throws ApiError unreachable */
export async function onceSignedIn(send: () => Promise<Response>, quietly = false): Promise<Response> {
  let response: Response
  try {
    response = await send()
    if (response.status === 401 && !quietly && signInAgain && (await signInAgain())) response = await send()
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    reportReachable(false)
    throw new ApiError('unreachable', 'the gateway cannot be reached', 0)
  }
  // The gateway's own 503 still means that it was reached; a proxy's 502 or 504 does not.
  reportReachable(response.status !== 502 && response.status !== 504)
  observeDate(response.headers.get('Date'))
  return response
}

export async function request<Answer>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const send = (): Promise<Response> => {
    const headers: Record<string, string> = { Accept: 'application/json', 'X-Gridsight': '1', ...options.headers }
    const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' }
    if (options.body !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(options.body)
    } else if (options.raw !== undefined) {
      headers['Content-Type'] = 'application/octet-stream'
      init.body = options.raw
    }
    if (options.signal) init.signal = options.signal
    return fetch(urlOf(path, options.query), init)
  }

  const response = await onceSignedIn(send, options.quietly)
  if (!response.ok) throw await errorOf(response)
  if (response.status === 204) return undefined as Answer
  const text = await response.text()
  return (text === '' ? undefined : JSON.parse(text)) as Answer
}

export const get = <Answer>(path: string, query?: Query, signal?: AbortSignal): Promise<Answer> =>
  request<Answer>('GET', path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) })
export const post = <Answer>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<Answer> =>
  request<Answer>('POST', path, { body, ...(signal ? { signal } : {}) })
export const put = <Answer>(path: string, body: unknown): Promise<Answer> => request<Answer>('PUT', path, { body })
export const patch = <Answer>(path: string, body: unknown): Promise<Answer> =>
  request<Answer>('PATCH', path, { body })
export const remove = (path: string): Promise<void> => request<void>('DELETE', path)

/** The ws:// or wss:// address of a path on this origin. */
export function webSocketUrl(path: string): string {
  const url = new URL(path, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return url.href
}
