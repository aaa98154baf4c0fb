/** Who steers, in words. */
import type { Ptz, PtzHolder } from '@/api/ptz'
import { shortTime } from '@/format'
import { translate } from '@/locales'

export const holderName = ({ kind, name, display_name }: PtzHolder): string =>
  kind === 'person' ? display_name || name : translate(`ptz.holderKinds.${kind}`, { name: display_name || name })

/** "Zhang San (priority 50) since 12:01" */
export const holderText = (holder: PtzHolder): string =>
  translate('ptz.heldBy', { name: holderName(holder), priority: holder.priority, since: shortTime(holder.since_us) })

/** One line: free, mine, or whose. */
export function standsText(ptz: Ptz): string {
  if (!ptz.supported) return translate('ptz.unsupported')
  if (ptz.holder === null) return translate(ptz.may_steer ? 'ptz.free' : 'ptz.freeNotYours')
  if (ptz.own) return translate('ptz.own', { since: shortTime(ptz.holder.since_us) })
  return holderText(ptz.holder)
}
