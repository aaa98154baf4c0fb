/** What can go wrong, typed: `code` is what the console translates. */

import type { QueuePlace } from '@/api/types'

export type PlaybackErrorCode =
  | 'sign_in_required'
  | 'not_allowed'
  | 'not_found'
  | 'invalid'
  | 'queued'
  | 'unavailable'
  | 'unreachable'
  | 'session_ended'
  | 'unsupported'
  | 'undecodable'
  | 'no_footage'
  | 'purpose_required'
  | 'masked_unavailable'
  | 'device_failed'
  | 'recording_withheld'

export class PlaybackError extends Error {
  readonly code: PlaybackErrorCode
  readonly queue: QueuePlace | null
  readonly status: number

  constructor(code: PlaybackErrorCode, message: string, status = 0, queue: QueuePlace | null = null) {
    super(message)
    this.name = 'PlaybackError'
    this.code = code
    this.status = status
    this.queue = queue
  }

  /** Whether asking again, unchanged, may succeed. */
  get passing(): boolean {
    return this.code === 'unavailable' || this.code === 'masked_unavailable' || this.code === 'device_failed' || this.code === 'unreachable' || this.code === 'queued'
  }
}

/** The error of an answer that is not 2xx; the body is the API's error object, or anything at all. */
export async function errorOfResponse(response: Response): Promise<PlaybackError> {
  let code = ''
  let message = `${response.status} ${response.statusText}`
  let queue: QueuePlace | null = null
  try {
    const body = (await response.json()) as {
      error?: { code?: string; message?: string; detail?: { position?: number; length?: number } }
    }
    code = body.error?.code ?? ''
    message = body.error?.message ?? message
    const detail = body.error?.detail
    if (detail && typeof detail.position === 'number') {
      queue = { position: detail.position, length: detail.length ?? detail.position }
    }
  } catch {
    // A proxy's page, say: the status has to do.
  }
  return new PlaybackError(codeOf(response.status, code), message, response.status, queue)
}

export function codeOf(status: number, code: string): PlaybackErrorCode {
  if (code === 'queued') return 'queued'
  if (code === 'revoked' || code === 'masked') return 'session_ended'
  if (code === 'purpose_required' || code === 'case_required') return 'purpose_required'
  if (code === 'masked_unavailable') return 'masked_unavailable'
  if (status === 401) return 'sign_in_required'
  if (status === 403) return 'not_allowed'
  if (status === 404 || status === 410) return 'not_found'
  if (status === 0) return 'unreachable'
  if (status === 409 || status === 422 || status === 400) return 'invalid'
  return 'unavailable'
}
