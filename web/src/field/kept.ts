/**
 * What waits on this telephone: reports with their files, in IndexedDB, until they have arrived.
 *
 * A report is whole in here before its sending begins, and leaves when the gateway has all of it.
 */
export interface KeptFile {
  /** Never used again: what is sent twice by it is one file. */
  id: string
  name: string
  kind: 'photo' | 'video' | 'sound'
  blob: Blob | null
  size: number
  sent: number
  state: 'waiting' | 'done' | 'refused'
  error?: string
}

export interface KeptPlace {
  longitude: number
  latitude: number
  accuracy_m: number | null
  at_phone_us: number
}

export interface KeptReport {
  id: string
  /** Whose it is: another person on this telephone does not send it under their name. */
  userId: string
  madeMs: number
  category: string | null
  words: string
  placeWords: string
  grid: string | null
  gridName: string | null
  place: KeptPlace | null
  files: KeptFile[]
  state: 'waiting' | 'sending' | 'done' | 'refused'
  /** The gateway has the words; files may be missing. */
  told: boolean
  error?: string
  flags?: string[]
}

const NAME = 'gridsight-field'
const REPORTS = 'reports'
const DONE_KEPT_MS = 7 * 24 * 3600_000

let opened: Promise<IDBDatabase> | null = null

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1)
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore(REPORTS, { keyPath: 'id' })
    }
    asked.onsuccess = () => resolve(asked.result)
    asked.onerror = () => reject(asked.error ?? new Error('no database'))
  })
  return opened
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open()
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(REPORTS, mode)
    const request = work(transaction.objectStore(REPORTS))
    transaction.oncomplete = () => resolve(request.result)
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('not kept'))
  })
}

/** Durable when it resolves. */
export async function put(report: KeptReport): Promise<void> {
  // Vue's proxies cannot be cloned.
  const plain: KeptReport = {
    ...report,
    place: report.place && { ...report.place },
    files: report.files.map((one) => ({ ...one })),
    flags: [...(report.flags ?? [])],
  }
  await within('readwrite', (store) => store.put(plain))
}

export async function remove(id: string): Promise<void> {
  await within('readwrite', (store) => store.delete(id))
}

/** Of one person, the newest first; what arrived a week ago is forgotten. */
export async function list(userId: string): Promise<KeptReport[]> {
  const all = (await within('readonly', (store) => store.getAll())) as KeptReport[]
  const old = all.filter((one) => one.state === 'done' && Date.now() - one.madeMs > DONE_KEPT_MS)
  for (const one of old) await remove(one.id)
  return all.filter((one) => one.userId === userId && !old.includes(one)).sort((a, b) => b.madeMs - a.madeMs)
}

/** 24 of a-z and 0-9: some 120 bits. */
export function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz012345'
  return Array.from(crypto.getRandomValues(new Uint8Array(24)), (one) => letters[one % 32]).join('')
}
