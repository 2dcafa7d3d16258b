"""Campaigns over many runs, and the tables that come out of them."""
