/** Asking the gateway, and what went wrong when it did not answer as hoped. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly detail: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
  }

  /** Nobody answered, or somebody who will answer otherwise later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export interface Options {
  body?: unknown
  raw?: Blob
  headers?: Record<string, string>
}

const PATIENCE_MS = 60_000

/** @throws Refused; status 0 where nobody answers. */
export async function ask<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Gridsight': '1', ...options.headers }
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' }
  if (options.raw) init.body = options.raw
  else if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json'
    init.body = JSON.stringify(options.body)
  }
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS)
  let response: Response
  let text: string
  try {
    response = await fetch(path, { ...init, signal: patience.signal })
    text = await response.text()
  } catch {
    throw new Refused(0, 'unreachable', '')
  } finally {
    clearTimeout(timer)
  }
  const document = parsed(text)
  if (response.ok) return document as Answer
  const error = (document as { error?: { code?: string; message?: string; detail?: Record<string, unknown> } } | null)?.error
  throw new Refused(response.status, error?.code ?? 'failed', error?.message ?? '', error?.detail ?? {})
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
