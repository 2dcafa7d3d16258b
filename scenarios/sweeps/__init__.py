"""Sweeps: launch files × variants × scenarios × speeds × seeds × settings, on many workers, resumable, compared."""
