"""The analysis process: frames in, passages out, beside recording and never before it."""
