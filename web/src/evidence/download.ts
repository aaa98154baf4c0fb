import { exports_ as api } from '@/api/evidence'
import { tellError } from '@/notices'

/** The whole package, or one file of it; the browser resumes it by itself. */
export async function download(export_id: string, file?: string): Promise<void> {
  try {
    const link = document.createElement('a')
    link.href = await api.downloadUrl(export_id, file)
    link.download = ''
    link.click()
  } catch (error) {
    tellError(error)
  }
}
