/** Assist requests in words. */
import { translate } from '@/locales'

import type { AnswerState, AskedArea, AssistState, AssistStep } from './api'

/** How much of what is to be looked through was played, in per cent. */
export const lookedPercent = ({ looked_us, whole_us }: Pick<AskedArea, 'looked_us' | 'whole_us'>): number =>
  whole_us <= 0 ? 0 : Math.min(100, Math.floor((100 * looked_us) / whole_us))

export const stateTone = (state: AssistState): string => ({ waiting: 'is-warn', open: 'is-ok', refused: 'is-bad', closed: '', expired: '' })[state]

export const answerTone = (state: AnswerState): string => ({ asked: '', seen: 'is-ok', not_seen: 'is-quiet', missing: 'is-warn' })[state]

/** A step of the history, and which answer it was. */
export function stepText({ kind, detail }: Pick<AssistStep, 'kind' | 'detail'>): string {
  const { state } = detail
  return translate(`assist.steps.${kind}`) + (kind === 'answer' && typeof state === 'string' ? ` · ${translate(`assist.answer.${state}`)}` : '')
}
