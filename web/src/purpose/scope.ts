/**
 * Why somebody looks: asked when the gateway wants to know it, and told with what is opened.
 *
 * The gateway decides whether a purpose is needed; nobody is asked in vain. What opens footage goes
 * through a `PurposeScope`: one for live views as a whole, one for each visit of the playback page,
 * one for each export.
 */
import { ApiError } from '@/api/errors'

export type LookAction = 'live' | 'playback' | 'search' | 'export'

export interface Purpose {
  code: string
  text?: string
  case_id?: string
}

export interface PurposeQuestion {
  action: LookAction
  /** The pick-list, as the gateway told it. */
  codes: readonly string[]
  caseNeeded: boolean
  /** What was given before and is not enough, or no longer. */
  before: Purpose | null
}

/** Gives null when the user does not want to say. */
type Ask = (question: PurposeQuestion) => Promise<Purpose | null>

let ask: Ask | null = null

export function onPurposeRequired(handler: Ask): void {
  ask = handler
}

const WANTED: ReadonlySet<string> = new Set(['purpose_required', 'case_required'])

export function isPurposeWanted(error: unknown): error is ApiError {
  return error instanceof ApiError && WANTED.has(error.code)
}

type Wanted = Pick<PurposeQuestion, 'codes' | 'caseNeeded'>

function wantedBy(error: ApiError): Wanted {
  const codes = error.detail['codes']
  return {
    codes: Array.isArray(codes) ? codes.filter((code): code is string => typeof code === 'string') : [],
    caseNeeded: error.code === 'case_required' || error.detail['case_required'] === true,
  }
}

export class PurposeScope {
  /** What was said last in this scope. */
  given: Purpose | null = null
  private given_ms = -Infinity
  private codes: readonly string[] = []
  private caseNeeded = false
  private asking: Promise<Purpose | null> | null = null

  /**
   * `tellFor_ms`: for how long an answer goes with what is opened without being asked for. The
   * gateway itself remembers the purpose of live views, so there it only serves the tiles that
   * were opened at the same time.
   */
  constructor(
    readonly action: LookAction,
    private readonly tellFor_ms = Infinity,
  ) {}

  /** Another person sits here now. */
  forget(): void {
    this.given = null
    this.given_ms = -Infinity
  }

  /** Asks again, whatever was said; whether something was said. */
  async change(wanted: Partial<Wanted & { before: Purpose | null }> = {}): Promise<boolean> {
    if (wanted.before !== undefined) this.given = wanted.before
    return (await this.question({ codes: this.codes, caseNeeded: this.caseNeeded, ...wanted })) !== null
  }

  say(purpose: Purpose): void {
    this.given = purpose
    this.given_ms = Date.now()
  }

  /**
   * `send` is called with the purpose known so far, and again with what the user says. Raises the
   * gateway's `purpose_required` when the user does not want to say.
   */
  async open<Answer>(send: (purpose?: Purpose) => Promise<Answer>): Promise<Answer> {
    let purpose = this.known()
    for (;;) {
      try {
        return await send(purpose ?? undefined)
      } catch (error) {
        if (!isPurposeWanted(error)) throw error
        // Somebody may have answered while this request was on its way.
        const known = this.known()
        purpose = known !== null && known !== purpose ? known : await this.question(wantedBy(error))
        if (purpose === null) throw error
      }
    }
  }

  private known(): Purpose | null {
    return Date.now() - this.given_ms < this.tellFor_ms ? this.given : null
  }

  /** One dialog, however many tiles are waiting for it. */
  private question({ codes, caseNeeded }: Wanted): Promise<Purpose | null> {
    if (ask === null) return Promise.resolve(null)
    this.codes = codes
    this.caseNeeded = caseNeeded
    this.asking ??= ask({ action: this.action, codes, caseNeeded, before: this.given })
      .then((purpose) => {
        if (purpose !== null) this.say(purpose)
        return purpose
      })
      .finally(() => {
        this.asking = null
      })
    return this.asking
  }
}

/** All live views of this page. */
export const livePurpose = new PurposeScope('live', 15_000)
