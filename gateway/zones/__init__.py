"""Lines and regions in cameras' pictures: kept, watched, and what happened in them told."""
