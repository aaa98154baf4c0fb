import { hasWords, translate } from '@/locales'

/** `live.open` in the language shown; as it is where there is no word for it. */
export function actionText(action: string): string {
  const key = `audit.actions.${action.replace(/\./g, '_')}`
  return hasWords(key) ? translate(key) : action
}

/** The first part of an action: `live` of `live.open`. */
export function groupText(group: string): string {
  const key = `audit.groups.${group}`
  return hasWords(key) ? translate(key) : group
}

/** What a record says beside its columns, as `name: value` pairs of one level. */
export function detailPairs(detail: unknown): { name: string; value: string }[] {
  if (detail === null || detail === undefined || detail === '') return []
  if (typeof detail !== 'object') return [{ name: '', value: String(detail) }]
  return Object.entries(detail as Record<string, unknown>)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => ({ name, value: typeof value === 'object' ? JSON.stringify(value) : String(value) }))
}
