/**
 * What waits on this telephone: reports, and steps of tasks, with their files, in IndexedDB, until
 * they have arrived.
 *
 * Each is whole in here before its sending begins, and leaves when the gateway has all of it.
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
  /** What it is at the gateway. */
  fileId?: string
  /** The gateway's words for it, and its code. */
  error?: string
  errorCode?: string
}

export interface KeptPlace {
  longitude: number
  latitude: number
  accuracy_m: number | null
  at_phone_us: number
}

interface KeptBase {
  id: string
  /** Whose it is: another person on this telephone does not send it under their name. */
  userId: string
  madeMs: number
  words: string
  place: KeptPlace | null
  files: KeptFile[]
  state: 'waiting' | 'sending' | 'done' | 'refused'
  /** The gateway has the words; of a report, files may be missing. */
  told: boolean
  error?: string
  errorCode?: string
}

export interface KeptReport extends KeptBase {
  category: string | null
  placeWords: string
  grid: string | null
  gridName: string | null
  flags?: string[]
}

export type StepKind = 'accept' | 'arrive' | 'reply' | 'answer'

/** A step of a task; its files are sent before it. */
export interface KeptStep extends KeptBase {
  step: StepKind
  taskId: string
  title: string
}

export type Kept = KeptReport | KeptStep

export const isStep = (one: Kept): one is KeptStep => 'step' in one

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
export async function put(one: Kept): Promise<void> {
  // Vue's proxies cannot be cloned.
  const plain: Kept = { ...one, place: one.place && { ...one.place }, files: one.files.map((file) => ({ ...file })) }
  if (!isStep(plain)) plain.flags = [...(plain.flags ?? [])]
  await within('readwrite', (store) => store.put(plain))
}

export async function remove(id: string): Promise<void> {
  await within('readwrite', (store) => store.delete(id))
}

/** Of one person, the newest first; what arrived a week ago is forgotten. */
export async function list(userId: string): Promise<Kept[]> {
  const all = (await within('readonly', (store) => store.getAll())) as Kept[]
  const old = all.filter((one) => one.state === 'done' && Date.now() - one.madeMs > DONE_KEPT_MS)
  for (const one of old) await remove(one.id)
  return all.filter((one) => one.userId === userId && !old.includes(one)).sort((a, b) => b.madeMs - a.madeMs)
}

/** 24 of a-z and 0-9: some 120 bits. */
export function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz012345'
  return Array.from(crypto.getRandomValues(new Uint8Array(24)), (one) => letters[one % 32]).join('')
}
