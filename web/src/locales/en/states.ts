export default {
  live: 'Live',
  online: 'Online',
  connecting: 'Connecting',
  offline: 'Offline',
  refused: 'Refused',
  idle: 'Idle',
  disabled: 'Disabled',
  unknown: 'Unknown',
  recording: 'Recording',
  notRecording: 'Not recording',
  since: 'since {time}',
}
