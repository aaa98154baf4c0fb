/** Short messages at the top of the screen. */
import { ElMessage } from 'element-plus'

import { isAbort } from '@/api/errors'

import { errorText } from './errors'

export const tell = (message: string): void => {
  ElMessage({ message, type: 'success', grouping: true, offset: 56 })
}

export const warn = (message: string): void => {
  ElMessage({ message, type: 'warning', grouping: true, duration: 5000, showClose: true, offset: 56 })
}

export const tellError = (error: unknown): void => {
  if (isAbort(error)) return
  ElMessage({ message: errorText(error), type: 'error', grouping: true, duration: 7000, showClose: true, offset: 56 })
}
