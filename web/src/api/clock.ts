/**
 * The gateway's clock, as far as an HTTP `Date` header tells it (whole seconds).
 *
 * A duty desk's PC may be minutes off; bookmarks and "the last 30 s" must not be. An offset under
 * two seconds is noise of the header and is ignored.
 */
let offset_ms = 0

export function observeDate(header: string | null, received_ms: number = Date.now()): void {
  if (header === null) return
  const sent_ms = Date.parse(header)
  if (Number.isNaN(sent_ms)) return
  const difference_ms = sent_ms + 500 - received_ms
  offset_ms = Math.abs(difference_ms) < 2000 ? 0 : difference_ms
}

/** UTC microseconds by the gateway's clock. */
export function nowUs(): number {
  return Math.round((Date.now() + offset_ms) * 1000)
}
