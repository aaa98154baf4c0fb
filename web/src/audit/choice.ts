import type { AuditFilter } from '@/api/register'
import { lastDays, type Period } from '@/shell/period'

/** What the page was asked to show. */
export interface RecordChoice {
  period: Period
  action: string
  reason_code: string
  query: string
  address: string
  user: { id: string; name: string } | null
  camera: { id: string; name: string } | null
  case: { id: string; name: string } | null
}

export const everything = (): RecordChoice => ({
  period: lastDays(1),
  action: '',
  reason_code: '',
  query: '',
  address: '',
  user: null,
  camera: null,
  case: null,
})

export function filterOf(choice: RecordChoice): AuditFilter {
  const days = choice.period.days
  const period = days === null ? choice.period : lastDays(days)
  return {
    start_us: period.start_us,
    end_us: period.end_us,
    action: choice.action || undefined,
    reason_code: choice.reason_code || undefined,
    query: choice.query.trim() || undefined,
    address: choice.address.trim() || undefined,
    user_id: choice.user?.id,
    camera_id: choice.camera?.id,
    case_id: choice.case?.id,
  }
}
