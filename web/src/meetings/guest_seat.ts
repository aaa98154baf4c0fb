/** A guest's place in a meeting, kept by this tab alone and only until it is closed. */

export interface KeptSeat {
  token: string
  name: string
  title: string
}

const keyOf = (meetingId: string): string => `gridsight.guest.${meetingId}`

export function keptSeat(meetingId: string): KeptSeat | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(keyOf(meetingId)) ?? 'null') as Partial<KeptSeat> | null
    return typeof kept?.token === 'string' && kept.token !== '' ? { token: kept.token, name: String(kept.name ?? ''), title: String(kept.title ?? '') } : null
  } catch {
    return null // Storage may be forbidden by policy; then who loads the page anew comes anew.
  }
}

export function keepSeat(meetingId: string, seat: KeptSeat): void {
  try {
    sessionStorage.setItem(keyOf(meetingId), JSON.stringify(seat))
  } catch {
    // As above.
  }
}

export function forgetSeat(meetingId: string): void {
  try {
    sessionStorage.removeItem(keyOf(meetingId))
  } catch {
    // As above.
  }
}
