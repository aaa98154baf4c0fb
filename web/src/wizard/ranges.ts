/** Address ranges as people write them: one a line, or with commas between. */

export interface Ranges {
  ranges: string[]
  /** How many addresses they hold. */
  count: number
  /** The first thing that is none. */
  wrong: string | null
}

function numberOf(address: string): number | null {
  const parts = address.split('.')
  if (parts.length !== 4) return null
  let number = 0
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null
    number = number * 256 + Number(part)
  }
  return number
}

/** Addresses in `10.1.2.0/24`, `10.1.2.10-10.1.2.99`, `10.1.2.10-99` or `10.1.2.7`; null for anything else. */
export function addressCount(range: string): number | null {
  const [network, prefix, ...more] = range.split('/')
  if (prefix !== undefined) {
    if (more.length > 0 || numberOf(network ?? '') === null || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return null
    const size = 2 ** (32 - Number(prefix))
    return size > 2 ? size - 2 : size
  }
  const [from, to, ...rest] = range.split('-')
  const first = numberOf(from ?? '')
  if (first === null || rest.length > 0) return null
  if (to === undefined) return 1
  const last = /^\d{1,3}$/.test(to) ? numberOf(`${(from ?? '').split('.').slice(0, 3).join('.')}.${to}`) : numberOf(to)
  return last === null || last < first ? null : last - first + 1
}

export function readRanges(text: string): Ranges {
  const ranges = text.split(/[\s,;，；、]+/).filter((part) => part !== '').map((part) => part.replace(/[–—~]/g, '-'))
  const unique = [...new Set(ranges)]
  const counts = unique.map(addressCount)
  const wrong = counts.indexOf(null)
  return {
    ranges: unique,
    count: counts.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    wrong: wrong < 0 ? null : (unique[wrong] ?? null),
  }
}
