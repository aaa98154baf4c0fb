/** How notices look and what they are said to be. */
import { translate } from '@/locales'

import type { NoticePriority, NoticeState, NoticeSummary } from './api'

export const priorityTone = (priority: NoticePriority): string => ({ normal: 'is-quiet', important: 'is-warn', emergency: 'is-bad' })[priority]

export const stateTone = (state: NoticeState): string => ({ coming: 'is-warn', current: 'is-ok', over: 'is-quiet', withdrawn: 'is-bad' })[state]

/** For whom its publisher spoke. */
export const publisherArea = ({ publisher_area }: Pick<NoticeSummary, 'publisher_area'>): string => publisher_area[publisher_area.length - 1] ?? translate('noticeboard.county')

/** Whether one is asked to read it and has not, while it holds. */
export const waitsForMe = ({ addressed, read_us, state }: Pick<NoticeSummary, 'addressed' | 'read_us' | 'state'>): boolean => addressed && read_us === null && state === 'current'

/** How many of all, as a whole percentage: 100 only when it is all of them. */
export const percentOf = (part: number, whole: number): number => (whole === 0 ? 0 : Math.floor((part * 100) / whole))
