/** Asking before something is done that is not easily undone. */
import { ElMessageBox } from 'element-plus'

import { translate } from '@/locales'
import { tell, tellError } from '@/notices'

export interface Question {
  text: string
  title?: string
  /** What the button says; "delete" unless told. */
  act?: string
  /** Not a warning: nothing is lost. */
  harmless?: boolean
}

export async function confirmed({ text, title, act, harmless }: Question): Promise<boolean> {
  try {
    await ElMessageBox.confirm(text, title ?? '', {
      ...(harmless === true ? {} : { type: 'warning' as const }),
      confirmButtonText: act ?? translate('common.delete'),
      cancelButtonText: translate('common.cancel'),
    })
    return true
  } catch {
    return false
  }
}

/** Asks, does, and says how it went; whether it was done. */
export async function askedAndDone(question: Question, act: () => Promise<unknown>, done?: string): Promise<boolean> {
  if (!(await confirmed(question))) return false
  try {
    await act()
    tell(done ?? translate('common.deleted'))
    return true
  } catch (error) {
    tellError(error)
    return false
  }
}
