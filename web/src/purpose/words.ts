import { hasWords, translate } from '@/locales'

import type { Purpose } from './scope'

export const codeText = (code: string): string =>
  hasWords(`purpose.codes.${code}`) ? translate(`purpose.codes.${code}`) : code

/** "Incident · e-bike stolen". */
export const purposeText = (purpose: Pick<Purpose, 'code' | 'text'>): string =>
  purpose.text ? `${codeText(purpose.code)} · ${purpose.text}` : codeText(purpose.code)
