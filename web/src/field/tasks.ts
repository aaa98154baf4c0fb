/** Tasks as the telephone knows them: what may be done next, and how long there is. */
import type { KeptStep, StepKind } from './kept'
import { filled, words } from './words'

interface Named {
  id: string
  name: string
}

export interface Task {
  id: string
  number: string
  state: 'open' | 'assigned' | 'accepted' | 'arrived' | 'answered' | 'closed' | 'merged'
  light: 'green' | 'yellow' | 'red' | 'paused'
  title: string
  words: string
  category: Named
  priority: 'normal' | 'urgent' | 'emergency'
  area_names: string[]
  place: string
  reporter_name: string
  reporter_phone: string | null
  suspended: boolean
  arrived_us: number | null
  arrive_due_us: number | null
  resolve_due_us: number | null
  reply_due_us: number | null
  urges: number
  steps: string[]
}

export interface TaskDetail extends Task {
  history: { at_us: number; kind: string; by_name: string; words: string }[]
  attachments: { id: string; kind: string; subject_id: string; name: string; has_thumbnail: boolean }[]
}

// What is left after each: who comes has taken it, and who is done is.
const LEFT: Record<StepKind, StepKind[]> = {
  accept: ['arrive', 'reply', 'answer'],
  arrive: ['reply', 'answer'],
  reply: ['accept', 'arrive', 'reply', 'answer'],
  answer: [],
}
const HERE: StepKind[] = ['accept', 'arrive', 'reply', 'answer']

/** What the worker may do with it: as the gateway says, less what waits on this telephone. */
export function stepsLeft(task: Pick<Task, 'id' | 'steps'>, kept: readonly KeptStep[]): StepKind[] {
  const ahead = kept.filter((one) => one.taskId === task.id && (one.state === 'waiting' || one.state === 'sending'))
  return ahead.reduce(
    (left, { step }) => left.filter((one) => LEFT[step].includes(one)),
    HERE.filter((one) => task.steps.includes(one)),
  )
}

/** Until when the worker has to do the next thing, and how much of it is left; null: no limit runs. */
export function due(task: Pick<Task, 'state' | 'suspended' | 'arrived_us' | 'arrive_due_us' | 'resolve_due_us'>, nowMs: number): { text: string; isLate: boolean } | null {
  if (task.suspended || task.state === 'answered') return null
  const isComing = task.arrived_us === null && task.arrive_due_us !== null
  const dueUs = isComing ? task.arrive_due_us : task.resolve_due_us
  if (dueUs === null) return null
  const leftMs = dueUs / 1000 - nowMs
  const text = words.tasks
  const to = isComing ? text.toArrive : text.toAnswer
  return { text: filled(leftMs > 0 ? text.left : text.over, { to, time: span(Math.abs(leftMs)) }), isLate: leftMs <= 0 }
}

function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)]
  const text = words.tasks
  if (days > 0) return filled(text.days, { d: days, h: hours })
  return hours > 0 ? filled(text.hours, { h: hours, m: minutes % 60 }) : filled(text.minutes, { m: minutes })
}
