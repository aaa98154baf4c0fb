export default {
  title: 'Bookmark',
  add: 'Add a bookmark',
  note: 'Note',
  noteHint: 'What is to be seen, e.g. white van passes',
  noteMissing: 'Please write a note, so that it can be found',
  by: 'By {author}, {at}',
  saved: 'Bookmark saved; it is on the playback timeline',
  deleted: 'Bookmark deleted',
}
