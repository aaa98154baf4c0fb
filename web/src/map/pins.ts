/** What stands on a map beside the cameras, and what its controls say. */
import type { Incident } from '@/incidents/api'

import type { Pin } from './county_map'

/** Of incidents whose place is known. */
export const pinsOf = (incidents: readonly Incident[]): Pin[] =>
  incidents.flatMap(({ id, light, longitude, latitude }) => (longitude === null || latitude === null ? [] : [{ id, kind: light, longitude, latitude }]))

export const mapWords = (t: (key: string) => string): Record<string, string> => ({
  'NavigationControl.ZoomIn': t('search.map.zoomIn'),
  'NavigationControl.ZoomOut': t('search.map.zoomOut'),
  'Map.Title': t('search.map.title'),
})
