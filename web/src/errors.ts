/** Any failure as a sentence that says what to do. */
import { ApiError } from '@/api/errors'
import { hasWords, translate } from '@/locales'

export function errorText(error: unknown): string {
  if (error instanceof ApiError) {
    const key = `errors.${error.code}`
    if (hasWords(key)) return translate(key, { seconds: error.retryAfterS ?? 60 })
    return translate('errors.unknown', { code: error.code, message: error.message })
  }
  return translate('errors.unknown', {
    code: error instanceof Error ? error.name : 'error',
    message: error instanceof Error ? error.message : String(error),
  })
}
