/** Any failure as a sentence that says what to do. */
import { ApiError } from '@/api/errors'
import { hasWords, translate } from '@/locales'

/** Those that a refusal names as its reason. */
function camerasOf(error: ApiError): string {
  const cameras = error.detail['cameras']
  if (!Array.isArray(cameras)) return ''
  const names = cameras.map((one: unknown) => (typeof one === 'object' && one !== null && 'name' in one ? String(one.name) : ''))
  return names.filter((name) => name !== '').join(translate('common.between'))
}

export function errorText(error: unknown): string {
  if (error instanceof ApiError) {
    const key = `errors.${error.code}`
    const cameras = camerasOf(error)
    if (error.code === 'not_allowed' && cameras !== '') return translate('errors.not_allowed_cameras', { cameras })
    if (hasWords(key)) return translate(key, { seconds: error.retryAfterS ?? 60, message: error.message })
    return translate('errors.unknown', { code: error.code, message: error.message })
  }
  return translate('errors.unknown', {
    code: error instanceof Error ? error.name : 'error',
    message: error instanceof Error ? error.message : String(error),
  })
}

/** What a line of an answer says went wrong, as a sentence like any other failure's. */
export const lineText = (line: { code: string; message: string }): string => errorText(new ApiError(line.code, line.message, 409))
