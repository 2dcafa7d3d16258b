"""From pictures to boxes. Importing this is light: the detectors with heavy imports are modules of their own."""
