/** Where this telephone is, while the page asks. Nothing is sent from here. */
import { onBeforeUnmount, ref } from 'vue'

import type { KeptPlace } from './kept'

export function usePlace() {
  const place = ref<KeptPlace | null>(null)
  const failed = ref(!('geolocation' in navigator))
  let watch: number | null = null

  function start(): void {
    if (watch !== null || !('geolocation' in navigator)) return
    watch = navigator.geolocation.watchPosition(
      ({ coords, timestamp }) => {
        failed.value = false
        place.value = {
          longitude: coords.longitude,
          latitude: coords.latitude,
          accuracy_m: Number.isFinite(coords.accuracy) ? coords.accuracy : null,
          at_phone_us: Math.round(timestamp) * 1000,
        }
      },
      () => (failed.value = place.value === null),
      { enableHighAccuracy: true, maximumAge: 15_000, timeout: 30_000 },
    )
  }

  function stop(): void {
    if (watch !== null) navigator.geolocation.clearWatch(watch)
    watch = null
  }

  onBeforeUnmount(stop)
  return { place, failed, start, stop }
}
