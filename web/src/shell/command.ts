/** The pages of the command centre: which there are, and what one needs to have them. */
import { allowedPages, type SectionPage } from './sections'

export const COMMAND: readonly SectionPage[] = []

export const commandPages = allowedPages(COMMAND)
