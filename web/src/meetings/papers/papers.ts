/** Which papers there are, and for whom. */
export const PAPERS = ['agenda', 'minutes', 'files', 'roll_calls', 'attendance'] as const
export type PaperName = (typeof PAPERS)[number]

export const papersFor = (leads: boolean): readonly PaperName[] => (leads ? PAPERS : PAPERS.filter((one) => one !== 'attendance' && one !== 'roll_calls'))

/** The paper of this name where one may read it, else the first. */
export const paperNamed = (name: unknown, leads: boolean): PaperName => papersFor(leads).find((one) => one === name) ?? 'agenda'
