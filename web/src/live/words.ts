/** What is wrong with a camera, in the reader's language. */
import type { VariantState } from '@/api/types'
import { hasWords, translate } from '@/locales'

const worded = (key: string, fallback: string): string => (hasWords(key) ? translate(key) : fallback)

/** `line` is the gateway's own, in English: for a code that has no words. */
export const faultText = (code: string, line: string): string => worded(`live.fault.${code}`, line)

/** "camera offline (the port is closed: …)" */
export function causeText(state: VariantState): string {
  const cause = worded(`live.sourceCause.${state.cause ?? ''}`, translate(`states.${state.state}`))
  const fault = faultText(state.fault ?? '', state.detail ?? '')
  return fault ? `${cause} (${fault})` : cause
}
