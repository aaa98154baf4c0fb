/** Arrangements of tiles, and how the arrow keys walk through them. */
import type { Grid } from '@/api/types'

/** A tile's place, in cells counted from 0. */
export interface Cell {
  column: number
  row: number
  span: number
}

export interface Arrangement {
  columns: number
  rows: number
  cells: readonly Cell[]
}

function even(size: number): Arrangement {
  const cells: Cell[] = []
  for (let index = 0; index < size * size; index += 1) {
    cells.push({ column: index % size, row: Math.floor(index / size), span: 1 })
  }
  return { columns: size, rows: size, cells }
}

/** One large tile, the others along its right and lower edge: 1+5 in 3×3, 1+7 in 4×4 cells. */
function oneLarge(size: number): Arrangement {
  const cells: Cell[] = [{ column: 0, row: 0, span: size - 1 }]
  for (let row = 0; row < size - 1; row += 1) cells.push({ column: size - 1, row, span: 1 })
  for (let column = 0; column < size; column += 1) cells.push({ column, row: size - 1, span: 1 })
  return { columns: size, rows: size, cells }
}

export const GRIDS: readonly Grid[] = ['1x1', '2x2', '3x3', '4x4', '5x5', '1+5', '1+7']

export const ARRANGEMENTS: Readonly<Record<Grid, Arrangement>> = {
  '1x1': even(1),
  '2x2': even(2),
  '3x3': even(3),
  '4x4': even(4),
  '5x5': even(5),
  '1+5': oneLarge(3),
  '1+7': oneLarge(4),
}

export const tileCount = (grid: Grid): number => ARRANGEMENTS[grid].cells.length

export const isGrid = (value: unknown): value is Grid =>
  typeof value === 'string' && (GRIDS as readonly string[]).includes(value)

export type Direction = 'left' | 'right' | 'up' | 'down'

/** The tile reached from `index` by one arrow key; `index` itself at the edge. */
export function neighbour(grid: Grid, index: number, direction: Direction): number {
  const { cells } = ARRANGEMENTS[grid]
  const from = cells[index]
  if (from === undefined) return 0
  const centre = (cell: Cell): [number, number] => [cell.column + cell.span / 2, cell.row + cell.span / 2]
  const [fromX, fromY] = centre(from)
  let best = index
  let bestCost = Infinity
  cells.forEach((cell, candidate) => {
    if (candidate === index) return
    const ahead =
      direction === 'left'
        ? from.column - (cell.column + cell.span)
        : direction === 'right'
          ? cell.column - (from.column + from.span)
          : direction === 'up'
            ? from.row - (cell.row + cell.span)
            : cell.row - (from.row + from.span)
    if (ahead < 0) return
    const [x, y] = centre(cell)
    const aside = direction === 'left' || direction === 'right' ? Math.abs(y - fromY) : Math.abs(x - fromX)
    const cost = ahead * 10 + aside
    if (cost < bestCost) {
      bestCost = cost
      best = candidate
    }
  })
  return best
}
