import { hasWords, translate } from '@/locales'

import type { Purpose } from './scope'

/** The pick-list of a gateway that has not told its own. */
export const PURPOSE_CODES: readonly string[] = ['incident', 'lost_person', 'lost_property', 'traffic', 'maintenance', 'patrol', 'training', 'inspection', 'other']

export const codeText = (code: string): string =>
  hasWords(`purpose.codes.${code}`) ? translate(`purpose.codes.${code}`) : code

/** "Incident · e-bike stolen". */
export const purposeText = (purpose: Pick<Purpose, 'code' | 'text'>): string =>
  purpose.text ? `${codeText(purpose.code)} · ${purpose.text}` : codeText(purpose.code)
