"""How far the county is on its way to its four goals, as numbers of the rows themselves.

Everything covered, everything shared, always available, always under control: the goals that the
national programme for video on public safety sets.
"""
