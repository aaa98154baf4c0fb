/**
 * Sends what waits, one after the other, as often as it takes; each arrives once, because reports,
 * steps and files have ids of their own that the gateway knows again.
 */
import { isStep, type Kept, type KeptFile, type KeptReport, type KeptStep } from './kept'
import { Refused, type Options } from './wire'

export interface Upload {
  id: string
  offset: number
  file_id: string | null
}

export interface Sending {
  ask<Answer>(method: string, path: string, options?: Options): Promise<Answer>
  /** Keeps it as it is now, durably. */
  keep(one: Kept): Promise<void>
  sha256(data: Blob): Promise<string>
  nowMs(): number
}

const PIECE_BYTES = 1024 * 1024

/** Sends it and its files, as far as there is something left. @throws Refused that passes, or 401 */
export async function send(one: Kept, by: Sending): Promise<void> {
  one.state = 'sending'
  one.state = (await (isStep(one) ? sendStep(one, by) : sendReport(one, by))) ? 'done' : 'refused'
  await by.keep(one)
}

/** The words first: help comes for them. */
async function sendReport(report: KeptReport, by: Sending): Promise<boolean> {
  const isTold = await tell(report, by, isFinal, async () => {
    const body = reportForm(report, by.nowMs())
    report.flags = (await by.ask<{ flags: string[] }>('POST', '/api/field/reports', { body })).flags
  })
  return isTold && (await sendFiles(report, by))
}

/** The pictures first: who reads that it is done sees it at once. One that is no picture holds nothing up. */
async function sendStep(step: KeptStep, by: Sending): Promise<boolean> {
  const areSent = await sendFiles(step, by)
  // The task may have gone to somebody else meanwhile, or be over.
  const isOver = (error: unknown): error is Refused => isFinal(error) || (error instanceof Refused && [403, 404, 409].includes(error.status))
  const isTold = await tell(step, by, isOver, () =>
    by.ask('POST', `/api/field/tasks/${step.taskId}/${step.step}`, { body: stepForm(step, by.nowMs()) }),
  )
  return areSent && isTold
}

/** False where the gateway will never have it. */
async function tell(one: Kept, by: Sending, isForGood: (error: unknown) => error is Refused, asking: () => Promise<unknown>): Promise<boolean> {
  if (one.told) return true
  try {
    await asking()
  } catch (error) {
    if (!isForGood(error)) throw error
    one.error = error.message
    one.errorCode = error.code
    return false
  }
  one.told = true
  await by.keep(one)
  return true
}

const times = (one: Kept, nowMs: number): Record<string, number> => ({
  made_phone_us: one.madeMs * 1000,
  sent_phone_us: Math.max(nowMs, one.madeMs) * 1000,
})

function reportForm(report: KeptReport, nowMs: number): Record<string, unknown> {
  return {
    id: report.id,
    category: report.category,
    words: report.words,
    place_words: report.placeWords,
    grid: report.grid,
    place: report.place,
    files: report.files.length,
    ...times(report, nowMs),
  }
}

function stepForm(step: KeptStep, nowMs: number): Record<string, unknown> {
  const files = step.files.flatMap((one) => one.fileId ?? [])
  const place = step.place && { longitude: step.place.longitude, latitude: step.place.latitude }
  return { id: step.id, words: step.words, files, ...place, ...times(step, nowMs) }
}

/** False where one of them will never be taken. */
async function sendFiles(one: Kept, by: Sending): Promise<boolean> {
  for (const file of one.files) if (file.state === 'waiting') await sendFile(one, file, by)
  return one.files.every((file) => file.state === 'done')
}

async function sendFile(one: Kept, file: KeptFile, by: Sending): Promise<void> {
  if (file.blob === null) return
  try {
    const form = { id: file.id, report_id: isStep(one) ? null : one.id, name: file.name, size_bytes: file.size }
    const upload = await by.ask<Upload>('POST', '/api/field/uploads', { body: form })
    file.sent = upload.offset
    while (file.sent < file.size) await sendPiece(upload.id, file, file.blob, by)
    file.fileId = (await by.ask<{ id: string }>('POST', `/api/field/uploads/${upload.id}/finish`, { body: {} })).id
    file.state = 'done'
    file.blob = null
  } catch (error) {
    if (!isFinal(error)) throw error
    file.state = 'refused'
    file.error = error.message
    file.errorCode = error.code
  }
  await by.keep(one)
}

async function sendPiece(uploadId: string, file: KeptFile, blob: Blob, by: Sending): Promise<void> {
  const piece = blob.slice(file.sent, file.sent + PIECE_BYTES)
  try {
    await by.ask('PATCH', `/api/field/uploads/${uploadId}`, {
      raw: piece,
      headers: {
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Offset': String(file.sent),
        'Upload-Checksum': `sha256 ${await by.sha256(piece)}`,
      },
    })
    file.sent += piece.size
  } catch (error) {
    const wanted = error instanceof Refused && error.code === 'offset_differs' ? error.detail['offset'] : undefined
    if (typeof wanted === 'number' && wanted !== file.sent) file.sent = wanted
    else if (!(error instanceof Refused && error.code === 'checksum_differs')) throw error
  }
}

/** The gateway will never answer otherwise. */
function isFinal(error: unknown): error is Refused {
  return error instanceof Refused && [413, 415, 422].includes(error.status)
}

/** Base64, as `Upload-Checksum` wants it. */
export async function sha256(data: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await data.arrayBuffer()))
  return btoa(String.fromCharCode(...digest))
}
