"""Areas, cameras and users as CSV and XLSX: read, compared, written, given out."""
