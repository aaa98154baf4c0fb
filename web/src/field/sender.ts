/**
 * Sends what waits, one after the other, as often as it takes; each arrives once, because report and
 * files have ids of their own that the gateway knows again.
 */
import type { KeptFile, KeptReport } from './kept'
import { Refused, type Options } from './wire'

export interface Upload {
  id: string
  offset: number
  file_id: string | null
}

export interface Sending {
  ask<Answer>(method: string, path: string, options?: Options): Promise<Answer>
  /** Keeps the report as it is now, durably. */
  keep(report: KeptReport): Promise<void>
  sha256(data: Blob): Promise<string>
  nowMs(): number
}

const PIECE_BYTES = 1024 * 1024

/** Sends a report and its files, as far as there is something left. @throws Refused that passes, or 401 */
export async function send(report: KeptReport, by: Sending): Promise<void> {
  report.state = 'sending'
  if (!report.told) {
    try {
      const told = await by.ask<{ flags: string[] }>('POST', '/api/field/reports', { body: formOf(report, by.nowMs()) })
      report.told = true
      report.flags = told.flags
      await by.keep(report)
    } catch (error) {
      if (!isFinal(error)) throw error
      report.state = 'refused'
      report.error = error.message
      await by.keep(report)
      return
    }
  }
  for (const file of report.files) if (file.state === 'waiting') await sendFile(report, file, by)
  report.state = report.files.some((one) => one.state === 'refused') ? 'refused' : 'done'
  await by.keep(report)
}

function formOf(report: KeptReport, nowMs: number): Record<string, unknown> {
  return {
    id: report.id,
    category: report.category,
    words: report.words,
    place_words: report.placeWords,
    grid: report.grid,
    place: report.place,
    made_phone_us: report.madeMs * 1000,
    sent_phone_us: Math.max(nowMs, report.madeMs) * 1000,
    files: report.files.length,
  }
}

async function sendFile(report: KeptReport, file: KeptFile, by: Sending): Promise<void> {
  if (file.blob === null) return
  try {
    const form = { id: file.id, report_id: report.id, name: file.name, size_bytes: file.size }
    const upload = await by.ask<Upload>('POST', '/api/field/uploads', { body: form })
    file.sent = upload.offset
    while (file.sent < file.size) await sendPiece(upload.id, file, file.blob, by)
    await by.ask('POST', `/api/field/uploads/${upload.id}/finish`, { body: {} })
    file.state = 'done'
    file.blob = null
  } catch (error) {
    if (!isFinal(error)) throw error
    file.state = 'refused'
    file.error = error.message
  }
  await by.keep(report)
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
