"""GB/T 28181-2016 with the additions of 2022: documents, media and both platforms, sans-IO."""
