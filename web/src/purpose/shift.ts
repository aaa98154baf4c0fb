/** The purpose that stands for this person's shift, stated anew without waiting to be asked. */
import { get, put } from '@/api/client'
import { translate } from '@/locales'
import { tell, tellError } from '@/notices'

import { livePurpose, type Purpose } from './scope'

interface Purposes {
  codes: { code: string; text_needed: boolean }[]
  shift: { code: string; text: string | null; case_id: string | null; expires_us: number } | null
}

function standing({ shift }: Purposes): Purpose | null {
  if (shift === null) return null
  return {
    code: shift.code,
    ...(shift.text ? { text: shift.text } : {}),
    ...(shift.case_id ? { case_id: shift.case_id } : {}),
  }
}

export async function changeShiftPurpose(): Promise<void> {
  try {
    const purposes = await get<Purposes>('/api/purposes')
    const codes = purposes.codes.map(({ code }) => code)
    if (!(await livePurpose.change({ codes, caseNeeded: false, before: standing(purposes) }))) return
    await put('/api/purposes/shift', livePurpose.given)
    tell(translate('purpose.stated'))
  } catch (error) {
    tellError(error)
  }
}
