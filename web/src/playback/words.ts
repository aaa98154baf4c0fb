/** Keys of words that come from the gateway's own terms. */

const CAUSES = new Set([
  'camera_offline',
  'camera_silent',
  'camera_refused',
  'bad_media',
  'clock_step',
  'disk_slow',
  'store_down',
  'space',
  'retention',
  'held_on_node',
  'gateway_stopped',
  'not_scheduled',
  'unplayable',
  'unreadable',
  'no_footage',
])

export function causeKey(cause: string): string {
  return `playback.causes.${CAUSES.has(cause) ? cause : 'unknown'}`
}
