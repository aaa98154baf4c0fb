export default {
  label: 'Period',
  lastDay: 'Last 24 hours',
  lastDays: 'Last {days} days',
  own: 'From … to …',
  from: 'From',
  to: 'To',
}
