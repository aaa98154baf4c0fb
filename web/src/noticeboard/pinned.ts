/** Which emergencies stand across a page: a person's, the screen's of an office, a big screen's. Pure. */
import type { Emergency, EmergencySite } from './api'

export type Place = { kind: 'person' } | { kind: 'site'; area_id: string } | { kind: 'screen' }

export interface Pinned {
  notice: Emergency
  /** Of the office whose screen this is. */
  site: EmergencySite | null
  /** Somebody is still to confirm it here. */
  waits: boolean
}

/** Those that hold at that time; what waits comes first. Persons see what they have not confirmed. */
export function pinnedAt(emergencies: readonly Emergency[], place: Place, at_us: number): Pinned[] {
  const pinned = emergencies
    .filter(({ from_us, until_us }) => from_us <= at_us && at_us < until_us)
    .flatMap((notice): Pinned[] => {
      if (place.kind === 'screen') return [{ notice, site: null, waits: false }]
      if (place.kind === 'person') return notice.addressed && notice.read_us === null ? [{ notice, site: null, waits: true }] : []
      const site = notice.sites.find(({ area_id }) => area_id === place.area_id)
      return site === undefined ? [] : [{ notice, site, waits: site.confirmed_us === null }]
    })
  return [...pinned.filter(({ waits }) => waits), ...pinned.filter(({ waits }) => !waits)]
}
