/** A refusal by the gateway, or a failure to reach it. `code` is what the console translates. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly detail: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
  }

  /** Field → reason of a 422 `invalid`. */
  get fields(): Readonly<Record<string, string>> {
    const fields = this.detail['fields']
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, string>) : {}
  }

  /** Seconds after which 429 and 503 may be tried again; null when not said. */
  get retryAfterS(): number | null {
    const value = this.detail['retry_after_s']
    return typeof value === 'number' ? value : null
  }
}

const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  401: 'sign_in_required',
  403: 'not_allowed',
  404: 'not_found',
  409: 'conflict',
  422: 'invalid',
  429: 'too_many_attempts',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
}

/** The error of a response that is not a success; also when a proxy answered in HTML. */
export async function errorOf(response: Response): Promise<ApiError> {
  let body: unknown = null
  try {
    body = await response.json()
  } catch {
    // A proxy's page; the status says enough.
  }
  const error = (body as { error?: { code?: unknown; message?: unknown; detail?: unknown } } | null)?.error
  const code =
    typeof error?.code === 'string' ? error.code : (CODE_OF_STATUS[response.status] ?? 'server_fault')
  const message = typeof error?.message === 'string' ? error.message : `HTTP ${response.status}`
  const detail: Record<string, unknown> =
    typeof error?.detail === 'object' && error.detail !== null
      ? { ...(error.detail as Record<string, unknown>) }
      : {}
  const top = error as { retry_after_s?: unknown } | undefined
  if (typeof top?.retry_after_s === 'number') detail['retry_after_s'] ??= top.retry_after_s
  const header = response.headers.get('Retry-After')
  if (header !== null && /^\d+$/.test(header)) detail['retry_after_s'] ??= Number(header)
  return new ApiError(code, message, response.status, detail)
}

/** Whether `error` only says that the caller itself gave up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
